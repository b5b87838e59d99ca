package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timeSpan is [d.]hh:mm[:ss[.fffffff]], as host.json has durations
// (docs/contracts/config.md 2.2).
var timeSpan = regexp.MustCompile(`^(?:(\d{1,6})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d{1,7})?)?$`)

// wholeDays is a bare number: days, which few who write one mean.
var wholeDays = regexp.MustCompile(`^\d{1,6}$`)

// parseDuration reads a time span, a number of days or a Go duration.
func parseDuration(to *time.Duration, text string, low, high time.Duration) error {
	d, err := duration(text)
	switch {
	case err != nil:
		return err
	case d < low || d > high:
		return fmt.Errorf("%s is not between %v and %v", text, low, high)
	}
	*to = d
	return nil
}

// maxAge is a hundred years: far from what a [time.Duration] cannot hold.
const maxAge = 100 * 365 * 24 * time.Hour

func duration(text string) (time.Duration, error) {
	if found := timeSpan.FindStringSubmatch(text); found != nil {
		return spanDuration(text, found[1:])
	}
	if wholeDays.MatchString(text) {
		return spanDuration(text, []string{text, "", "", "", ""})
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration; write "1.12:30:00", a day and twelve and a half hours, or "36h30m"`, text)
	}
	return d, nil
}

// spanDuration adds up the parts of a [timeSpan].
func spanDuration(text string, parts []string) (time.Duration, error) {
	var n [4]int
	for i, part := range parts[:4] {
		if part != "" {
			n[i], _ = strconv.Atoi(part) // at most six digits
		}
	}
	if n[1] > 23 || n[2] > 59 || n[3] > 59 {
		return 0, fmt.Errorf("%s: hours end at 23, minutes and seconds at 59; days come first, as in 1.00:00:00", text)
	}
	if n[0] > 100_000 {
		return 0, fmt.Errorf("%s is too long", text)
	}
	total := time.Duration(n[0])*24*time.Hour + time.Duration(n[1])*time.Hour + time.Duration(n[2])*time.Minute + time.Duration(n[3])*time.Second
	if fraction := strings.TrimPrefix(parts[4], "."); fraction != "" {
		ticks, _ := strconv.Atoi((fraction + "0000000")[:7]) // of 100 ns
		total += time.Duration(ticks) * 100
	}
	return total, nil
}
