package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5"

	"github.com/perdure/perdure/bench/peers/peer"
)

// postgresSettings are what is usually changed first for a small machine: memory
// and room for the log, so that no checkpoint is forced during a run. Nothing
// that durability depends on is changed.
var postgresSettings = []string{"shared_buffers=1GB", "max_wal_size=4GB", "checkpoint_timeout=15min", "max_connections=200"}

// poolSize is the number of connections of DBOS; its default, 20, was measured
// against 10, 40 and 80.
const poolSize = 20

// openPostgres makes a PostgreSQL cluster in dir and starts it. It listens on a
// Unix socket in dir only, where whoever may enter the folder may connect.
func openPostgres(ctx context.Context, dir string) (*store, error) {
	owner, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "peer", "-A", "trust", "-E", "UTF8", "--no-locale")
	initdb.Dir, initdb.SysProcAttr = dir, owner
	initdb.Cancel = func() error { return initdb.Process.Signal(os.Interrupt) } // it ends its own processes
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w; it said:\n%s", err, out)
	}
	args := []string{"-D", data, "-k", dir, "-c", "listen_addresses="}
	for _, setting := range postgresSettings {
		args = append(args, "-c", setting)
	}
	postgres := exec.Command(filepath.Join(bin, "postgres"), args...)
	postgres.Dir, postgres.SysProcAttr = dir, owner
	server, err := peer.StartServer(postgres, filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	stop := func() error { return server.Stop(syscall.SIGINT) } // "fast shutdown": aborts what runs
	location := "user=peer database=postgres host=" + dir
	var about peer.About
	if err := server.WaitUntil(ctx, func() (err error) { about, err = describePostgres(ctx, location); return err }); err != nil {
		return nil, errors.Join(err, stop())
	}
	config := dbos.Config{DatabaseURL: location + " pool_max_conns=" + strconv.Itoa(poolSize)}
	return &store{about, config, stop}, nil
}

// describePostgres asks a connection what is in force.
func describePostgres(ctx context.Context, location string) (about peer.About, err error) {
	c, err := pgx.Connect(ctx, location)
	if err != nil {
		return about, err
	}
	defer c.Close(ctx)
	in := map[string]string{}
	for _, setting := range []string{"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method"} {
		var value string
		if err := c.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
			return about, err
		}
		in[setting] = value
	}
	if in["fsync"] != "on" || in["synchronous_commit"] != "on" {
		return about, fmt.Errorf("PostgreSQL has fsync=%s and synchronous_commit=%s, want on and on", in["fsync"], in["synchronous_commit"])
	}
	return peer.About{
		System:  "dbos-postgres",
		Version: "DBOS Transact Go " + peer.ModuleVersion("github.com/dbos-inc/dbos-transact-golang") + ", PostgreSQL " + in["server_version"],
		Durability: fmt.Sprintf("fsync=%s, synchronous_commit=%s, full_page_writes=%s, wal_sync_method=%s",
			in["fsync"], in["synchronous_commit"], in["full_page_writes"], in["wal_sync_method"]),
		Tuning: fmt.Sprintf("%s; Unix socket; %d connections", strings.Join(postgresSettings, ", "), poolSize),
	}, nil
}

// unprivileged says as whom PostgreSQL runs, which refuses to be root: as the
// user that its package has made, to whom dir is given, or as whoever runs this.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// postgresPrograms returns the folder of the newest PostgreSQL's programs, where
// Debian has them, or the one that the path leads to.
func postgresPrograms() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(found), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return "", errors.Join(errors.New("PostgreSQL is not installed: apt-get install postgresql"), err)
	}
	return found[len(found)-1], nil
}
