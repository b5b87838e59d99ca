package private

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// Listen listens on a Unix socket at path, which must not be there. Accept
// returns only connections of trusted users; others are cut off. Their remote
// address names the user. It is [errors.ErrUnsupported] where the system has no
// such sockets or does not say who connects.
func Listen(path string) (net.Listener, error) {
	if !knowsPeers {
		return nil, errors.ErrUnsupported
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil { // nobody has been accepted yet
		return nil, errors.Join(err, l.Close())
	}
	return listener{l.(*net.UnixListener)}, nil
}

type listener struct{ *net.UnixListener }

func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := checkPeer(conn); err == nil {
			return accepted{conn, peer(uid)}, nil
		}
		conn.Close()
	}
}

// accepted is a connection whose remote address is the user at the other end.
type accepted struct {
	*net.UnixConn
	peer peer
}

func (a accepted) RemoteAddr() net.Addr { return a.peer }

type peer int

func (peer) Network() string  { return "unix" }
func (p peer) String() string { return userName(int(p)) }

// Dial connects to the Unix socket at path, where a trusted user must listen.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	if !knowsPeers {
		return nil, errors.ErrUnsupported
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if _, err := checkPeer(conn.(*net.UnixConn)); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Addr: conn.RemoteAddr(), Err: errors.Join(err, conn.Close())}
	}
	return conn, nil
}

// checkPeer returns who is at the other end of a connection, and refuses who is
// not trusted.
func checkPeer(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peerErr error
	if err := raw.Control(func(fd uintptr) { uid, peerErr = peerUser(fd) }); err != nil {
		return 0, err
	}
	switch {
	case peerErr != nil:
		return 0, fmt.Errorf("who is at the other end: %w", peerErr)
	case !trusted(uid):
		return 0, fmt.Errorf("%s is at the other end", userName(uid))
	}
	return uid, nil
}
