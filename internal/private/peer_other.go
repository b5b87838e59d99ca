//go:build !linux && !darwin && !freebsd

package private

import "errors"

const knowsPeers = false

func peerUser(uintptr) (uid int, err error) { return 0, errors.ErrUnsupported }
