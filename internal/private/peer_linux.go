package private

import "golang.org/x/sys/unix"

const knowsPeers = true

// peerUser returns who connected to, or listens at, the other end of a Unix
// socket.
func peerUser(fd uintptr) (uid int, err error) {
	cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
