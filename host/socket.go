package host

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/private"
)

// socketName is what the socket of the command line is called, in the data
// folder or, if its path is too long there for the system, in a folder of its
// own.
const socketName = "socket"

// socketFolder is how folders for sockets begin.
const socketFolder = "perdure-"

// listenSocket listens for the command line. name is how the endpoint has it.
// Where that is not possible there is no socket, and the command line brings
// the endpoint's key.
func listenSocket(dataDir, runtimeDir string, log *slog.Logger) (l net.Listener, name string) {
	l, err := private.Listen(filepath.Join(dataDir, socketName))
	if err == nil {
		return l, socketName
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		var elsewhere error
		if l, name, elsewhere = listenElsewhere(runtimeDir); elsewhere == nil {
			return l, name
		}
		log.Info("there is no socket for the command line, which uses the endpoint's key", "error", errors.Join(err, elsewhere))
	}
	return nil, ""
}

// listenElsewhere makes a folder with mode 0700 for the socket, in the user's
// runtime folder or among the temporary files.
func listenElsewhere(runtimeDir string) (net.Listener, string, error) {
	if runtimeDir == "" {
		runtimeDir = os.TempDir()
	} else if _, err := private.Folder(runtimeDir, 0o700); err != nil {
		return nil, "", err
	}
	folder, err := os.MkdirTemp(runtimeDir, socketFolder)
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(folder, socketName)
	l, err := private.Listen(path)
	if err != nil {
		return nil, "", errors.Join(err, os.Remove(folder))
	}
	return inFolder{l, folder}, path, nil
}

// inFolder is a listener whose folder goes with it.
type inFolder struct {
	net.Listener
	folder string
}

func (l inFolder) Close() error {
	err := l.Listener.Close()
	if removed := os.Remove(l.folder); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// removeStale removes the endpoint and the socket that a process left which did
// not end in order. The caller holds the store's lock, so they are nobody's;
// but the endpoint may have come with a copied folder, and a socket elsewhere
// that answers is the original's.
func removeStale(dataDir string) error {
	ep, err := hubs.ReadEndpoint(dataDir)
	folder := filepath.Dir(ep.Socket)
	if err == nil && ep.Socket != "" && folder != dataDir && strings.HasPrefix(filepath.Base(folder), socketFolder) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if conn, err := private.Dial(ctx, ep.Socket); err == nil {
			conn.Close()
		} else {
			os.Remove(ep.Socket) // what cannot be removed stays: nobody looks for it any more
			os.Remove(folder)
		}
	}
	for _, path := range []string{hubs.EndpointPath(dataDir), filepath.Join(dataDir, socketName)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
