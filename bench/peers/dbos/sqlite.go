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

// openSQLite makes an SQLite database in dir. DBOS would open it with
// synchronous=NORMAL, and would set that on one connection even if the URL says
// otherwise: in WAL mode a commit then returns before it is on disk. So the pool
// is made here, with FULL and for the rest as DBOS makes it, but for its size:
// SQLite has one writer at a time, and of 1, 2, 4 and 8 connections (DBOS opens 8)
// one took the least CPU time and was the fastest, since nobody waits for a lock.
func openSQLite(ctx context.Context, dir string) (*store, error) {
	pragmas := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)", "foreign_keys(ON)"},
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "dbos.db")+"?"+pragmas.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	about, err := describeSQLite(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{about, dbos.Config{SQLiteSystemDB: db}, db.Close}, nil
}

// describeSQLite asks the connection what is in force.
func describeSQLite(ctx context.Context, db *sql.DB) (about peer.About, err error) {
	var version, journal string
	var synchronous int
	for query, value := range map[string]any{
		"SELECT sqlite_version()": &version,
		"PRAGMA journal_mode":     &journal,
		"PRAGMA synchronous":      &synchronous,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(value); err != nil {
			return about, fmt.Errorf("%s: %w", query, err)
		}
	}
	if journal != "wal" || synchronous != 2 {
		return about, fmt.Errorf("SQLite has journal_mode=%s and synchronous=%d, want wal and 2 (FULL)", journal, synchronous)
	}
	return peer.About{
		System:     "dbos-sqlite",
		Version:    "DBOS Transact Go " + peer.ModuleVersion("github.com/dbos-inc/dbos-transact-golang") + ", SQLite " + version,
		Durability: "journal_mode=" + journal + ", synchronous=FULL",
		Tuning:     "synchronous=FULL instead of NORMAL; 1 connection instead of 8; for the rest DBOS's own settings",
	}, nil
}
