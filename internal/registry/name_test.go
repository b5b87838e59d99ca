package registry_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/registry"
)

func TestIdentified(t *testing.T) {
	for name, want := range map[string]bool{
		"main.top":                            true,
		"main.Größe":                          true,
		"main.gen[...]":                       true,
		"example.com/x%2ey/fn/o%2ep.Top":      true,
		"example.com/x%2ey/fn/o%2ep.Gen[...]": true,
		"main.(*svc).Run":                     true,
		"main.svc.Val":                        true,
		"main.runner.Run":                     true,
		"main.(*G[...]).Run":                  true,
		"main.G[...].Val":                     true,
		"main.loc·1.Val":                      true,
		"main.functions.Func1":                true,

		"main.(*svc).Run-fm":                      false,
		"main.svc.Val-fm":                         false,
		"main.runner.Run-fm":                      false,
		"main.(*G[...]).Run-fm":                   false,
		"main.G[...].Val-fm":                      false,
		"main.mk.func1":                           false,
		"main.mk.6":                               false,
		"main.main.mk.func8":                      false,
		"main.main.func3.1":                       false,
		"main.main.mk4.main.mk4.func10.mk.func19": false,
		"main.init.func1":                         false,
		"main.init.mk.func2":                      false,
		"main.glob..func1":                        false,
		"main.GenMk[...].func1":                   false,
		"main.main.GenMk[...].func11":             false,
		"main.main.seq.main-range1.func17":        false,
		"main.f-range1":                           false,
		"main.(*svc).Make.func1":                  false,
		"main.svc.Make.func1":                     false,
		"main.main.gowrap1":                       false,
		"main.main.deferwrap2":                    false,
		"example.com/x%2ey/fn/o%2ep.Mk.func1":     false,
		"func()":                                  false,
		"":                                        false,
	} {
		if got := registry.Identified(name); got != want {
			t.Errorf("Identified(%q) = %t, want %t", name, got, want)
		}
	}
}

type service struct{ name string }

func (s *service) Run(context.Context) string { return s.name }

// The names that this very build gives, with -race too where the test has it.
func TestIdentifiedHere(t *testing.T) {
	s := &service{"a"}
	for _, tt := range []struct {
		what string
		fn   any
		want bool
	}{
		{"function", TestIdentified, true},
		{"method expression", (*service).Run, true},
		{"method value", s.Run, false},
		{"closure", func() string { return s.name }, false},
	} {
		if name := registry.GoName(tt.fn); registry.Identified(name) != tt.want {
			t.Errorf("Identified(%q) = %t, want %t for a %s", name, !tt.want, tt.want, tt.what)
		}
	}
}

// What a call by value does must be the same in every build.
func TestFunctionsAreTheSameInEveryBuild(t *testing.T) {
	build := func(flags ...string) string {
		program := filepath.Join(t.TempDir(), "functions")
		args := append(append([]string{"build", "-o", program}, flags...), "./testdata/functions")
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("go %q: %v\n%s", args, err, out)
		}
		out, err := exec.Command(program).CombinedOutput()
		if err != nil {
			t.Fatalf("a program built with %q: %v\n%s", flags, err, out)
		}
		return string(out)
	}
	want := build()
	for _, flags := range [][]string{
		{"-gcflags=github.com/perdure/perdure/...=-N -l"}, // as for a debugger
		{"-gcflags=github.com/perdure/perdure/...=-l=4"},  // more of it inlined
		{"-trimpath", "-ldflags=-s -w"},
	} {
		if diff := cmp.Diff(want, build(flags...)); diff != "" {
			t.Errorf("built with %q the program does something else (-want +got):\n%s", flags, diff)
		}
	}
	golden := "top - called\nalias - called\nmissing - is not registered\n"
	if len(want) < len(golden) || want[:len(golden)] != golden {
		t.Errorf("the program told\n%s\nwant it to begin with\n%s", want, golden)
	}
}
