package replay

import (
	"crypto/sha1"
	"fmt"
	"strconv"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// guidNamespace is 9e952958-5e33-4daf-827f-2fa12937b875
// (docs/contracts/runtime.md 2.10).
var guidNamespace = [16]byte{0x9e, 0x95, 0x29, 0x58, 0x5e, 0x33, 0x4d, 0xaf, 0x82, 0x7f, 0x2f, 0xa1, 0x29, 0x37, 0xb8, 0x75}

// newGUID returns the RFC 4122 version 5 id of the counter-th guid that the
// instance asks for, at the time now.
func newGUID(namespace [16]byte, id history.InstanceID, now time.Time, counter int) string {
	h := sha1.New()
	h.Write(namespace[:])
	h.Write([]byte(string(id) + "_" + now.UTC().Format("2006-01-02T15:04:05.0000000Z") + "_" + strconv.Itoa(counter)))
	sum := h.Sum(nil)
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// NewGUID returns an id that is new in this execution and the same in every
// replay. It returns "" to a foreign goroutine.
func (c *Context) NewGUID() string {
	if c.s.co.enter() != nil {
		return ""
	}
	defer c.s.co.leave()
	guid := newGUID(guidNamespace, c.s.config.Instance.ID, c.Now(), c.s.guids)
	c.s.guids++
	return guid
}
