package perdure

import (
	"github.com/perdure/perdure/internal/registry"
)

// App holds the functions of a program. Register them all before the App is
// used; registering is not safe for concurrent use, everything else is.
type App struct {
	functions registry.Table
}

// New returns an App without functions.
func New() *App { return &App{} }

// Validate reports all mistakes made in registering functions, each with its
// place and what to do; nil when there are none.
func (a *App) Validate() error { return a.functions.Problems() }

// NonDeterminismPolicy says what happens to an instance whose history the code
// no longer fits.
type NonDeterminismPolicy int

const (
	// ParkInstance lets the instance wait until code that fits is deployed.
	// What does not fit is told by the log, once, and by explain.
	ParkInstance NonDeterminismPolicy = iota
	// FailInstance fails the instance.
	FailInstance
)

// OnNonDeterminism sets the policy for instances that the code no longer fits;
// the default is [ParkInstance].
func (a *App) OnNonDeterminism(policy NonDeterminismPolicy) {
	a.functions.FailMisfits = policy == FailInstance
}

// Workers get at the functions of an App, and nobody else does.
func init() {
	registry.Of = func(app any) *registry.Table { return &app.(*App).functions }
}
