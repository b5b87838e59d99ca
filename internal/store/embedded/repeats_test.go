package embedded

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Work that fails again and again does not fill the disk with lines about it.
func TestBackgroundErrorsAreLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tell := newBreaker(slog.New(slog.NewTextHandler(&out, nil))).listener().BackgroundError
		for range 1000 {
			tell(errors.New("no descriptors"))
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 {
			t.Errorf("%d lines for a thousand errors at one time, want 1:\n%s", lines, out.String())
		}
		time.Sleep(repeatsPeriod)
		tell(errors.New("no descriptors"))
		if text := out.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "times=1000") {
			t.Errorf("the log after a while:\n%s\nwant a second line with times=1000", text)
		}
	})
}
