// Package other holds functions of another package.
package other

import "context"

func Top(_ context.Context, in string) (string, error) { return in, nil }

func Make(name string) func(context.Context, string) (string, error) {
	return func(_ context.Context, in string) (string, error) { return name + in, nil }
}

func Gen[T any](_ context.Context, in T) (T, error) { return in, nil }
