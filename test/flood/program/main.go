// Program runs the function app of the floods.
package main

import (
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/test/flood"
)

func main() { host.Main(flood.App()) }
