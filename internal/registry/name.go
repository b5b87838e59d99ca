package registry

import (
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
)

// GoName returns the name of the Go function fn, or its type if it is none.
func GoName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return fmt.Sprintf("%T", fn)
	}
	return runtime.FuncForPC(v.Pointer()).Name()
}

// CodeOf identifies the code of a function, see [Identified]; 0 for a nil one.
func CodeOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }

// Identified reports whether Go gives the function of that name an identity: it
// is a top-level function, an instantiation of a generic one or a method
// expression. All method values of one method share its code, whatever their
// receiver, and closures of one literal share theirs or not as the compiler
// inlines what makes them. So a program would do one thing in one build and
// another in the next, were they found by their code.
//
// The names are those of runtime.FuncForPC, which are there in stripped
// programs too:
//
//	pkg.F  pkg.F[...]                      functions
//	pkg.T.M  pkg.(*T).M  pkg.(*T[...]).M   method expressions
//	pkg.T.M-fm  pkg.(*T).M-fm              method values
//	pkg.F.func1  pkg.init.func2  pkg.F.2   closures
//	pkg.F.G.func3  pkg.F.G-range1.func4    closures whose maker, G, was inlined into F
func Identified(goName string) bool {
	symbol := goName[strings.LastIndexByte(goName, '/')+1:] // dots of the path's last part are escaped
	_, symbol, _ = strings.Cut(symbol, ".")
	symbol = strings.ReplaceAll(symbol, "[...]", "")
	receiver, method, isMethod := strings.Cut(symbol, ".")
	if !isMethod {
		return identifier.MatchString(symbol)
	}
	if inner, ok := strings.CutPrefix(receiver, "(*"); ok {
		receiver = strings.TrimSuffix(inner, ")")
	}
	return identifier.MatchString(receiver) && identifier.MatchString(method) && !closure.MatchString(method)
}

var (
	identifier = regexp.MustCompile(`^[\pL_][\pL\p{Nd}_·]*$`) // a local type has a middle dot in its name
	closure    = regexp.MustCompile(`^(func|gowrap|deferwrap)\d+$`)
)
