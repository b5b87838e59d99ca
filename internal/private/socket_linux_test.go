package private

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// asStranger calls do with the rights of another user, which only root can.
func asStranger(t *testing.T, do func() error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	runtime.LockOSThread() // the system call is for this thread alone
	defer runtime.UnlockOSThread()
	become := func(uid int) {
		if _, _, err := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); err != 0 {
			t.Fatal(err)
		}
	}
	become(stranger)
	err := do()
	become(0)
	must(t, err)
}

// openFolder returns a folder that everybody may use, so that only the socket can
// refuse.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "private")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	return dir
}

func TestASocketServesItsUser(t *testing.T) {
	path := filepath.Join(openFolder(t), "socket")
	l, err := Listen(path)
	must(t, err)
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v; want mode 0600", info.Mode(), err)
	}
	conn, err := Dial(t.Context(), path)
	must(t, err)
	defer conn.Close()
	peer, err := l.Accept()
	must(t, err)
	defer peer.Close()
	_, err = io.WriteString(peer, "hello")
	must(t, err)
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestASocketRefusesOtherUsers(t *testing.T) {
	path := filepath.Join(openFolder(t), "socket")
	l, err := Listen(path)
	must(t, err)
	defer l.Close()
	must(t, os.Chmod(path, 0o666))
	var theirs net.Conn
	asStranger(t, func() (err error) { theirs, err = net.Dial("unix", path); return err })
	defer theirs.Close()
	ours, err := Dial(t.Context(), path)
	must(t, err)
	defer ours.Close()
	accepted, err := l.Accept() // the second that came: the first was cut off
	must(t, err)
	defer accepted.Close()
	if n, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Errorf("another user read %d bytes", n)
	}
	_, err = io.WriteString(accepted, "x")
	must(t, err)
	if _, err := io.ReadFull(ours, make([]byte, 1)); err != nil {
		t.Errorf("the user's own connection is not the one that was accepted: %v", err)
	}
}

func TestDialRefusesASocketOfAnotherUser(t *testing.T) {
	path := filepath.Join(openFolder(t), "socket")
	asStranger(t, func() error {
		l, err := net.Listen("unix", path)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	conn, err := Dial(t.Context(), path)
	if err == nil {
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "user 54321") {
		t.Errorf("Dial error = %v, want a refusal that names who listens", err)
	}
}
