package main

import (
	"syscall"
	"time"
)

// processTime returns the CPU time that this process has used.
func processTime() time.Duration {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		panic("handle of this process: " + err.Error())
	}
	var created, exited, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(self, &created, &exited, &kernel, &user); err != nil {
		panic("times of this process: " + err.Error())
	}
	return ticks(kernel) + ticks(user)
}

// ticks is a Filetime that counts 100 ns and is no date.
func ticks(t syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime))
}
