package host

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatRepeatsIsLoggedOnceWithACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := newRepeats(slog.NewTextHandler(&out, nil))
		log := slog.New(lines)
		for range 1000 {
			log.Error("it broke", "error", "no file")
		}
		log.With("hub", "B").Error("it broke", "error", "no file")
		log.Error("it broke", "error", "another")
		for range 3 {
			log.Info("said often")
		}
		count := func(text string, want int) {
			t.Helper()
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%q is there %d times, want %d, in\n%s", text, got, want, &out)
			}
		}
		count("it broke", 3)
		count("said often", 3)
		time.Sleep(repeatTime)
		log.Warn("something else")
		count("repeated=999", 1)
		log.Error("it broke", "error", "no file")
		log.Error("it broke", "error", "no file")
		count("it broke", 5)
		lines.end()
		count("repeated=1\n", 1)
		count("it broke", 6)
	})
}

// What a server says of many callers is one thing.
func TestServerLogHasNoAddresses(t *testing.T) {
	var out bytes.Buffer
	said := log.New(serverLog{slog.New(newRepeats(slog.NewTextHandler(&out, nil)))}, "", 0)
	said.Print("http: TLS handshake error from 127.0.0.1:1: EOF")
	said.Print("http: TLS handshake error from 127.0.0.1:2: EOF")
	if got := strings.Count(out.String(), "TLS handshake error: EOF"); got != 1 {
		t.Errorf("it is logged %d times, want once:\n%s", got, &out)
	}
}
