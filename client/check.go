package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// What a check is asked and tells; see [Client.Check].
type (
	CheckOptions = hub.CheckOptions
	CheckReport  = hub.CheckReport
	Disagreement = history.Disagreement
)

// Check reads all of the hub as of now and tells what in it does not agree; it
// changes nothing. Hosts elsewhere do it only for the command line of their own
// machine: for others it is [ErrUnsupported] or [ErrUnauthenticated].
func (c *Client) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	checker, ok := c.hub.(hub.Checker)
	if !ok {
		return CheckReport{}, fmt.Errorf("check: %w", ErrUnsupported)
	}
	report, err := checker.Check(ctx, o)
	if err != nil {
		return report, c.fail(ctx, "check", "", err)
	}
	return report, nil
}

// CheckLine is one item of the array in which a host answers: each has one
// field.
type CheckLine struct {
	Progress     *CheckReport  `json:"progress,omitempty"`
	Disagreement *Disagreement `json:"disagreement,omitempty"`
	Report       *CheckReport  `json:"report,omitempty"` // the last one, when it came to its end
	Error        string        `json:"error,omitempty"`  // the last one, when it did not
}

// Check is no part of the HTTP API, as DeleteHub is none.
func (r *remote) Check(ctx context.Context, o CheckOptions) (report CheckReport, err error) {
	query := url.Values{}
	if r.options.TaskHub != "" {
		query.Set("taskHub", r.options.TaskHub)
	}
	var last CheckLine
	c := call{method: http.MethodPost, path: []string{"admin", "perdure", "check"}, ok: []int{http.StatusOK}, own: true, looks: true, large: true, silence: slow}
	c.item = func(d *json.Decoder) error {
		last = CheckLine{}
		if err := d.Decode(&last); err != nil {
			return err
		}
		switch {
		case last.Progress != nil && o.Progress != nil:
			o.Progress(*last.Progress)
		case last.Disagreement != nil && o.Tell != nil:
			o.Tell(*last.Disagreement)
		}
		return nil
	}
	_, err = r.sendTo(ctx, c, r.root+"/"+strings.Join(c.path, "/")+"?"+query.Encode())
	switch {
	case errors.Is(err, ErrNotFound) && !errors.Is(err, ErrHubNotFound), errors.Is(err, errUnserved):
		return report, fmt.Errorf("%w: the host checks no hubs", ErrUnsupported)
	case err != nil:
		return report, err
	case last.Report == nil:
		return report, fmt.Errorf("%w: the check did not come to its end: %s", ErrUnavailable, last.Error)
	}
	return *last.Report, nil
}
