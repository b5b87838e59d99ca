package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/perdure/perdure/client"
)

// noise is what one instance, or few, may do to their neighbours.
type noise struct {
	name string
	// begin makes everything ready and returns what makes the noise, until ctx ends.
	begin func(ctx context.Context, p *process, size size) (keepAt func(ctx context.Context) error, err error)
}

var noises = []noise{
	{"loop", loopNoise},
	{"inbox", inboxNoise},
	{"payload", payloadNoise},
}

// runNoisyNeighbour measures hello alone, and beside each noise. A slowdown is how many
// times longer the median takes, or how many times lower the throughput is, than alone.
func runNoisyNeighbour(ctx context.Context, site site) ([]metric, error) {
	return with(ctx, site, func(p *process) ([]metric, error) {
		var metrics []metric
		for _, n := range noises {
			alone, err := p.pulse(ctx, site.size) // each time, since machines drift
			if err != nil {
				return nil, err
			}
			beside, err := p.pulseBeside(ctx, n, site.size)
			if err != nil {
				return nil, fmt.Errorf("beside %s: %w", n.name, err)
			}
			metrics = append(metrics,
				metric{n.name + "_throughput_alone", alone[0].value, alone[0].unit},
				metric{n.name + "_p50_alone", alone[2].value, alone[2].unit},
				metric{n.name + "_slowdown_throughput", alone[0].value / beside[0].value, "factor"},
				metric{n.name + "_slowdown_p50", beside[2].value / alone[2].value, "factor"})
		}
		return metrics, nil
	})
}

// pulseBeside takes the pulse while n is made.
func (p *process) pulseBeside(ctx context.Context, n noise, size size) ([]metric, error) {
	noisy, quiet := context.WithCancel(ctx)
	defer quiet()
	keepAt, err := n.begin(noisy, p, size)
	if err != nil {
		return nil, err
	}
	ended := errors.New("it ended before it was told to")
	var making sync.WaitGroup
	making.Go(func() { // quiet ends it; waited for below
		err := keepAt(noisy)
		if noisy.Err() != nil {
			ended = nil
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			ended = err
		}
	})
	metrics, err := p.pulse(ctx, size)
	quiet()
	making.Wait()
	return metrics, errors.Join(err, ended)
}

// loopNoise is an instance that continues as new all the time.
func loopNoise(ctx context.Context, p *process, _ size) (func(context.Context) error, error) {
	id, err := p.Start(ctx, "Loop", nil, client.StartOptions{})
	return func(ctx context.Context) error {
		<-ctx.Done()
		return p.Terminate(context.WithoutCancel(ctx), id, client.TerminateOptions{Wait: true})
	}, err
}

// inboxNoise is an instance that has got 100,000 events it does not wait for, and
// gets more from ten callers.
func inboxNoise(ctx context.Context, p *process, size size) (func(context.Context) error, error) {
	id, err := p.Start(ctx, "AwaitGo", nil, client.StartOptions{})
	if err != nil {
		return nil, err
	}
	raise := func(i int) error { return p.Raise(ctx, id, "Other", i) }
	return func(ctx context.Context) error {
		err := each(10, math.MaxInt, raise)
		return errors.Join(err, p.Terminate(context.WithoutCancel(ctx), id, client.TerminateOptions{Wait: true}))
	}, each(callers, size.inbox, raise)
}

// payloadNoise is instances with payloads of a mebibyte, four at a time.
func payloadNoise(_ context.Context, p *process, size size) (func(context.Context) error, error) {
	input := strings.Repeat("x", size.bigPayload)
	return func(ctx context.Context) error {
		return each(4, math.MaxInt, func(int) error { return p.complete(ctx, "Echo", input) })
	}, nil
}
