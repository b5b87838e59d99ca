package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // registers the driver "sqlite"

	"github.com/perdure/perdure/bench/peers/peer"
)

// connections is the size of the pool that DBOS makes by itself.
const connections = 8

// openSQLite makes an SQLite database in dir. DBOS would open it with
// synchronous=NORMAL, and would set that on one connection even if the URL says
// otherwise: in WAL mode a commit then returns before it is on disk. So the pool
// is made here, with FULL and for the rest as DBOS makes it.
func openSQLite(ctx context.Context, dir string) (*store, error) {
	pragmas := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(ON)"},
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "dbos.db")+"?"+pragmas.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	about, err := describeSQLite(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{about, dbos.Config{SQLiteSystemDB: db}, db.Close}, nil
}

// describeSQLite asks every connection of the pool, all open at once, what is in
// force: these settings are the connection's, not the file's.
func describeSQLite(ctx context.Context, db *sql.DB) (about peer.About, err error) {
	var version, journal string
	for range connections {
		c, err := db.Conn(ctx)
		if err != nil {
			return about, err
		}
		defer c.Close()
		var synchronous int
		if err := c.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
			return about, err
		}
		if err := c.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
			return about, err
		}
		if err := c.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
			return about, err
		}
		if journal != "wal" || synchronous != 2 {
			return about, fmt.Errorf("SQLite has journal_mode=%s and synchronous=%d, want wal and 2 (FULL)", journal, synchronous)
		}
	}
	return peer.About{
		System:     "dbos-sqlite",
		Version:    "DBOS Transact Go " + peer.ModuleVersion("github.com/dbos-inc/dbos-transact-golang") + ", SQLite " + version,
		Durability: fmt.Sprintf("journal_mode=%s, synchronous=FULL on each of %d connections", journal, connections),
		Tuning:     "synchronous=FULL instead of NORMAL; idle connections are kept; for the rest DBOS's own settings",
	}, nil
}
