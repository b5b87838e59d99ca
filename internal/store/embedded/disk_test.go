package embedded

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/perdure/perdure/internal/history"
)

// That there are no descriptors left is over soon, and says nothing of paths.
func TestNoDescriptorsIsUnavailable(t *testing.T) {
	t.Parallel()
	err := noDescriptors(&fs.PathError{Op: "open", Path: "/secret/place", Err: syscall.EMFILE})
	if !errors.Is(err, history.ErrUnavailable) || !errors.Is(err, syscall.EMFILE) || strings.Contains(err.Error(), "place") {
		t.Errorf("error %v, want %v of %v without the path", err, history.ErrUnavailable, syscall.EMFILE)
	}
	other := &fs.PathError{Op: "open", Path: "/secret/place", Err: syscall.EIO}
	if err := noDescriptors(other); err != other {
		t.Errorf("error %v, want %v as it was", err, other)
	}
}
