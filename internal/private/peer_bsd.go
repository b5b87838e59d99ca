//go:build darwin || freebsd

package private

import "golang.org/x/sys/unix"

const knowsPeers = true

// peerUser returns who connected to, or listens at, the other end of a Unix
// socket.
func peerUser(fd uintptr) (uid int, err error) {
	cred, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
