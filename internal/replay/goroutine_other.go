//go:build !gc || (!amd64 && !arm64)

package replay

import (
	"bytes"
	"runtime"
	"strconv"
)

// goroutine tells the goroutines that are alive apart, by the number that the
// runtime prints at the top of a trace. It takes microseconds.
func goroutine() uintptr {
	var trace [64]byte
	words := bytes.Fields(trace[:runtime.Stack(trace[:], false)])
	number, _ := strconv.ParseUint(string(words[1]), 10, 64) // "goroutine 7 [running]:"
	return uintptr(number)
}
