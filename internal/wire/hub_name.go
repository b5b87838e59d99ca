package wire

import (
	"fmt"
	"regexp"
)

var hubName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,44}$`)

// CheckHubName reports why name cannot be a task hub's.
func CheckHubName(name string) error {
	if hubName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("task hub name %q: 3 to 45 letters and digits are needed, the first one a letter", name)
}
