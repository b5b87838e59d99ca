package registry

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/perdure/perdure/internal/history"
)

// Set holds the functions of one kind. Its zero value is empty.
type Set[F any] struct {
	byName   map[string]*Function[F] // folded
	exact    map[string]*Function[F] // as registered
	byCode   map[uintptr][]*Function[F]
	problems []error
}

// Function is one registration.
type Function[F any] struct {
	Name   string // the durable name
	GoName string // of the Go function
	Site   string // file:line of the registration
	Plain  bool   // calls may pass the Go function, see [Identified]
	Do     F
}

// Add registers fn, the code of a Go function, or notes why it cannot.
func (s *Set[F]) Add(kind string, f Function[F], code uintptr) {
	if err := checkName(f.Name); err != nil {
		s.Reject(kind, f.Name, f.GoName, f.Site, err)
		return
	}
	key := fold(f.Name)
	if other, ok := s.byName[key]; ok {
		s.Reject(kind, f.Name, f.GoName, f.Site, fmt.Errorf("the name is taken by %s, registered at %s (names ignore case); choose another", other.GoName, other.Site))
		return
	}
	if s.byName == nil {
		s.byName, s.exact = make(map[string]*Function[F]), make(map[string]*Function[F])
		s.byCode = make(map[uintptr][]*Function[F])
	}
	f.Plain = Identified(f.GoName)
	s.byName[key], s.exact[f.Name] = &f, &f
	s.byCode[code] = append(s.byCode[code], &f)
}

// Reject notes that a registration is wrong.
func (s *Set[F]) Reject(kind, name, goName, site string, why error) {
	s.problems = append(s.problems, fmt.Errorf("%s: Add%s(%q, %s): %w", site, kind, name, goName, why))
}

// Find returns the function of that name.
func (s *Set[F]) Find(name string) (*Function[F], bool) {
	f, ok := s.exact[name] // almost always
	if !ok {
		f, ok = s.byName[fold(name)]
	}
	return f, ok
}

// FindCode returns the functions with that code.
func (s *Set[F]) FindCode(code uintptr) []*Function[F] { return s.byCode[code] }

// Names returns the names as registered, sorted.
func (s *Set[F]) Names() []string {
	names := make([]string, 0, len(s.byName))
	for _, f := range s.byName {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

func fold(name string) string { return strings.ToLower(name) }

// checkName reports why name cannot be a durable name, with the fix. What may
// be stored is [history.CheckName]'s to say; the rest is what paths and readers
// need.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty; give the function a name that will stay the same for as long as its instances are stored")
	case strings.HasPrefix(fold(name), "builtin::"):
		return fmt.Errorf(`names that begin with "BuiltIn::" are kept for the engine; choose another`)
	case name[0] == '@':
		return fmt.Errorf("names that begin with '@' are kept for entities; choose another")
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the name begins or ends with white space; remove it")
	case strings.ContainsFunc(name, func(r rune) bool {
		return strings.ContainsRune(`/\#?`, r) || unicode.IsControl(r) || r == unicode.ReplacementChar
	}):
		return fmt.Errorf(`the name holds one of / \ # ?, a control character or invalid UTF-8; remove it`)
	}
	if err := history.CheckName(name); err != nil {
		return fmt.Errorf("the name %w; shorten it", err)
	}
	return nil
}
