package history

import "fmt"

// ParentLabel is the label of the children of the instance number: those that
// it started and that report their end to it, in whatever execution of it.
func ParentLabel(number Number) string { return fmt.Sprintf("parent:%d", number) }
