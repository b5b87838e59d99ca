// Program runs the function app of the crash test.
package main

import (
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/test/crash"
)

func main() { host.Main(crash.App()) }
