package history

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// RuntimeStatus is where an instance stands. The numbers are wire facts
// (docs/contracts/runtime.md 1.1) and never move.
type RuntimeStatus int8

const (
	Unknown        RuntimeStatus = -1 // a stored status this build cannot read
	Running        RuntimeStatus = 0  // also while it waits
	Completed      RuntimeStatus = 1
	ContinuedAsNew RuntimeStatus = 2 // how an execution ends that starts the next one; never the status of an instance
	Failed         RuntimeStatus = 3
	Canceled       RuntimeStatus = 4 // reserved; nothing produces it
	Terminated     RuntimeStatus = 5
	Pending        RuntimeStatus = 6 // created, first turn not committed
	Suspended      RuntimeStatus = 7
)

var statusNames = [...]string{"Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Pending", "Suspended"}

// Statuses lists every status an instance can have, in wire order.
func Statuses() []RuntimeStatus {
	return []RuntimeStatus{Running, Completed, ContinuedAsNew, Failed, Canceled, Terminated, Pending, Suspended}
}

// String returns the wire name, "Unknown" for a number without one.
func (s RuntimeStatus) String() string {
	if s < 0 || int(s) >= len(statusNames) {
		return "Unknown"
	}
	return statusNames[s]
}

// Terminal reports whether the instance has ended: Completed, Failed,
// Terminated or Canceled.
func (s RuntimeStatus) Terminal() bool {
	switch s {
	case Completed, Failed, Terminated, Canceled:
		return true
	}
	return false
}

// ParseStatus reads a wire name in any letter case, or a wire number.
func ParseStatus(text string) (RuntimeStatus, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < len(statusNames) {
		return RuntimeStatus(n), nil
	}
	for i, name := range statusNames {
		if strings.EqualFold(name, text) {
			return RuntimeStatus(i), nil
		}
	}
	return Unknown, fmt.Errorf("status %q is not one of %s", text, strings.Join(statusNames[:], ", "))
}

// MarshalText writes the wire name.
func (s RuntimeStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what [ParseStatus] reads.
func (s *RuntimeStatus) UnmarshalText(text []byte) error {
	parsed, err := ParseStatus(string(text))
	*s = parsed
	return err
}

// UnmarshalJSON reads a name or a number, in quotes or not; null changes
// nothing.
func (s *RuntimeStatus) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	return s.UnmarshalText(bytes.Trim(text, `"`))
}
