// Program runs the function app of the management test.
package main

import (
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/test/manage"
)

func main() { host.Main(manage.App()) }
