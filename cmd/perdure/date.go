package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// instantLayouts are the forms of a point in time; fractions of a second may
// follow where there are seconds.
var instantLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02",
}

// parseInstant reads a point in time: RFC 3339 whose seconds and zone may be
// missing, a date, or a duration that counts from now, backwards when ahead is
// false. Without a zone it is UTC, whatever the machine's
// (docs/contracts/cli.md 3.5).
func parseInstant(text string, now time.Time, ahead bool) (time.Time, error) {
	if d, err := parseDuration(text); err == nil {
		if ahead {
			return now.Add(d), nil
		}
		return now.Add(-d), nil
	}
	form := strings.ToUpper(strings.TrimSpace(text))
	if len(form) > len("2006-01-02") && form[len("2006-01-02")] == ' ' {
		form = strings.Replace(form, " ", "T", 1)
	}
	for _, layout := range instantLayouts {
		if at, err := time.Parse(layout, form); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a time such as 2024-03-10T13:57:31Z, 2024-03-10T13:57 or 2024-03-10, which are UTC unless they say otherwise, nor a duration such as 24h or 7d", text)
}

// parseDuration reads a positive duration: Go's form, with d for days.
func parseDuration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}
	n, err := strconv.ParseFloat(days, 64)
	if err == nil && (rest != "" || !found) {
		var d time.Duration
		d, err = time.ParseDuration(rest)
		n += d.Hours() / 24
	}
	const longest = 100_000 // days, more than time.Duration holds are far
	if err != nil || !(n > 0 && n <= longest) {
		return 0, fmt.Errorf("%q is not a duration such as 30s, 5m, 24h or 7d", text)
	}
	return time.Duration(n * 24 * float64(time.Hour)).Round(time.Microsecond), nil
}

// dateOption is an option that takes a point in time.
type dateOption struct {
	name  string
	text  string
	ahead bool // durations count into the future
}

// instant returns the zero time for an option that was not given.
func (o *dateOption) instant() (time.Time, error) {
	if o.text == "" {
		return time.Time{}, nil
	}
	at, err := parseInstant(o.text, time.Now(), o.ahead)
	if err != nil {
		return at, usage("--%s: %w", o.name, err)
	}
	return at, nil
}

// bound is instant for an option that bounds a search: nil when it was not
// given.
func (o *dateOption) bound() (*time.Time, error) {
	at, err := o.instant()
	if err != nil || o.text == "" {
		return nil, err
	}
	return &at, nil
}

// secondsEnd is an upper bound that includes its last second: times are shown
// in whole seconds.
func secondsEnd(at *time.Time) *time.Time {
	if at == nil || at.Nanosecond() != 0 {
		return at
	}
	return new(at.Add(time.Second - time.Microsecond))
}

// durationOption is an option that takes a duration.
type durationOption struct {
	name, text string
}

// duration returns 0 for an option that was not given.
func (o *durationOption) duration() (time.Duration, error) {
	if o.text == "" {
		return 0, nil
	}
	d, err := parseDuration(o.text)
	if err != nil {
		return 0, usage("--%s: %w", o.name, err)
	}
	return d, nil
}
