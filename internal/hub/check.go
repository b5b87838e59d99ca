package hub

import "github.com/perdure/perdure/internal/history"

// CheckOptions say how a hub is checked.
type CheckOptions struct {
	// Tell is told the first [MaxTold] disagreements; nil: they are counted
	// only.
	Tell func(history.Disagreement)
	// Progress, if any, is told now and then how far the check is.
	Progress func(CheckReport)
	// Gentle leaves at least half of the time to others: an app runs on the
	// hub.
	Gentle bool
}

// MaxTold is how many disagreements are told one by one.
const MaxTold = 1000

// CheckReport tells what a check has looked at.
type CheckReport struct {
	Instances     int64 `json:"instances"`
	Records       int64 `json:"records"`
	Messages      int64 `json:"messages"` // in inboxes
	Timers        int64 `json:"timers"`
	Undeliverable int64 `json:"undeliverable"` // messages for instances that are not there; whoever runs the hub drops them
	Disagreements int64 `json:"disagreements"`
	// More tells of how many there are more, at least, that were not looked at
	// one by one.
	More int64 `json:"more"`
	// Store tells which store it is and what became of it, a line each.
	Store []string `json:"store"`
}
