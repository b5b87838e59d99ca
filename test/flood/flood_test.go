package flood

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/test/process"
)

var full = flag.Bool("full", false, "floods in full size, see make flood")

// size is what a flood has many of.
func size(sampled, all int) int {
	if *full {
		return all
	}
	return sampled
}

const api = "/runtime/webhooks/durabletask"

// kind is one kind of flood: so many callers, each of whom sends what send writes.
type kind struct {
	name    string
	callers int
	// send writes the request of caller i. Nothing more comes from it then.
	send func(w io.Writer, i int)
	// held: callers do not wait for an answer but keep the connection until others
	// have been served.
	held bool
	want []int // the answers that there may be
	most int64 // MiB of memory that the process may take
}

func text(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }

func head(w io.Writer, method, path string, length int64, header ...string) {
	fmt.Fprintf(w, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n", method, api+path)
	for i := 0; i < len(header); i += 2 {
		fmt.Fprintf(w, "%s: %s\r\n", header[i], header[i+1])
	}
	fmt.Fprintf(w, "Content-Length: %d\r\n\r\n", length)
}

func post(path string, body string, header ...string) func(io.Writer, int) {
	return func(w io.Writer, i int) {
		if strings.Contains(path, "%d") {
			head(w, "POST", fmt.Sprintf(path, i), int64(len(body)), header...)
		} else {
			head(w, "POST", path, int64(len(body)), header...)
		}
		io.WriteString(w, body)
	}
}

func get(path string) func(io.Writer, int) {
	return func(w io.Writer, _ int) { head(w, "GET", path, 0) }
}

func kinds() []kind {
	large := size(10, 90) << 20
	body := text(large)
	halfBody := func(w io.Writer, _ int) {
		head(w, "POST", "/orchestrators/Echo", int64(large)+100)
		io.WriteString(w, body)
	}
	return []kind{
		{"bodies for nobody", size(8, 32), post("/orchestrators/Nobody", body), false, []int{400}, 400},
		{"bodies", size(4, 32), post("/orchestrators/Echo", body), false, []int{202, 429}, int64(size(800, 2200))},
		{"bodies that stall", size(8, 32), halfBody, true, nil, int64(size(500, 900))},
		{"small bodies that stall", size(200, 2000), func(w io.Writer, _ int) {
			head(w, "POST", "/orchestrators/Echo", 16_000)
			io.WriteString(w, strings.Repeat(" ", 15_000))
		}, true, nil, 500},
		{"bodies of 50 GB", size(100, 1000), func(w io.Writer, _ int) { head(w, "POST", "/orchestrators/Echo", 50<<30) }, false, []int{413}, 400},
		{"keys", size(300, 6000), func(w io.Writer, i int) {
			post("/instances/later/raiseEvent/x", "1", "Idempotency-Key", fmt.Sprintf("%08d%s", i, strings.Repeat("k", 60_000)))(w, i)
		}, false, []int{400}, 500},
		{"names and keys that are allowed", size(500, 60_000), func(w io.Writer, i int) {
			name := strings.Repeat("n", history.MaxNameBytes)
			post("/instances/later/raiseEvent/"+name, "1", "Idempotency-Key", fmt.Sprintf("%0*d", history.MaxKeyLength, i))(w, i)
		}, false, []int{202, 429}, 600},
		{"tags", size(300, 6000), post("/orchestrators/Wait?tag.a="+strings.Repeat("t", 15_000), "1"), false, []int{202, 429}, 700},
		{"reasons", size(300, 6000), func(w io.Writer, i int) {
			post([]string{"/instances/later/suspend", "/instances/later/resume"}[i%2]+"?reason="+strings.Repeat("r", 15_000), "")(w, i)
		}, false, []int{202, 409, 429}, 500},
		{"connections that say nothing", size(400, 20_000), func(io.Writer, int) {}, true, nil, 500},
		{"connections that begin to speak", size(400, 20_000), func(w io.Writer, _ int) { io.WriteString(w, "GET / HTTP/1.1\r\nHost: ") }, true, nil, 500},
		{"forged links", size(300, 6000), get("/instances/later?code=" + strings.Repeat("A", 56)), false, []int{202, 429}, 400},
		{"lists", size(100, 2000), get("/instances?top=1000"), false, []int{200, 429}, 600},
		{"waits", size(200, 3000), get("/instances/later?wait=200"), true, nil, 500},
	}
}

// Whatever comes too much of, the process keeps within bounds and serves others.
func TestFloods(t *testing.T) {
	program := process.Build(t, "./program")
	var table strings.Builder
	out := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "flood\tcallers\tanswers\tothers served\tpeak MiB\tmost")
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			p := process.Begin(t, fewFiles(t, program), t.TempDir())
			if _, err := p.StartNew(t.Context(), "Wait", nil, client.StartOptions{ID: "later"}); err != nil {
				t.Fatal(err)
			}
			answers, served := pour(t, p, k)
			peak := p.PeakMemory(t) >> 20
			fmt.Fprintf(out, "%s\t%d\t%s\t%d\t%d\t%d\n", k.name, k.callers, answers, served, peak, k.most)
			if peak > k.most {
				t.Errorf("the process took %d MiB, at most %d are allowed", peak, k.most)
			}
			p.Kill()
		})
	}
	out.Flush()
	t.Logf("\n%s", &table)
}

// fewFiles makes a program that runs program with 512 descriptors.
func fewFiles(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "few")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nulimit -n 512\nexec "+program+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// atOnce is how many callers of a flood there are at a time.
const atOnce = 100

// pour lets a flood come, and others with it. It returns how often there was which
// answer, and how many others were served.
func pour(t *testing.T, p *process.Process, k kind) (string, int) {
	var mu sync.Mutex
	codes := map[int]int{}
	var callers sync.WaitGroup
	release := make(chan struct{})
	arrived := make(chan struct{}, k.callers)
	places := make(chan struct{}, atOnce)
	go func() { // ends with its callers, which are waited for below
		defer close(arrived)
		for i := range k.callers {
			places <- struct{}{}
			callers.Add(1)
			go func() {
				defer callers.Done()
				code := k.call(p.URL, i, release, func() {
					arrived <- struct{}{}
					<-places
				})
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
			}()
		}
		if !k.held {
			callers.Wait()
		} else {
			for range atOnce {
				places <- struct{}{} // all have been let go
			}
		}
	}()
	served := 0
	other := func() {
		id := fmt.Sprintf("other-%d", served)
		st, err := serve(t.Context(), p, id, served)
		for errors.Is(err, client.ErrUnavailable) { // its connection, idle for a while, has made way just then
			st, err = serve(t.Context(), p, id, served)
		}
		if err != nil || string(st.Output) != fmt.Sprint(served) {
			t.Errorf("another's instance: %v, %v", st, err)
			return
		}
		served++
	}
	n := 0
	for range arrived { // now and then while they come
		if n%max(1, k.callers/10) == 0 {
			other()
		}
		n++
	}
	other()
	close(release)
	callers.Wait()
	var answers []string
	for code, n := range codes {
		if !k.held && !slices.Contains(k.want, code) {
			t.Errorf("%d times the answer is %d, want one of %v", n, code, k.want)
		}
		answers = append(answers, fmt.Sprintf("%d x %d", n, code))
	}
	slices.Sort(answers)
	if k.held {
		answers = []string{"none is waited for"}
	}
	return strings.Join(answers, ", "), served
}

// serve starts an instance and waits for its end. It may be called again with the same id
// when there was no answer.
func serve(ctx context.Context, p *process.Process, id string, input int) (*client.Status, error) {
	_, err := p.StartNew(ctx, "Echo", input, client.StartOptions{ID: id, Reuse: engine.RefuseIfExists})
	if err != nil && !errors.Is(err, client.ErrAlreadyExists) {
		return nil, fmt.Errorf("start: %w", err)
	}
	return p.WaitForCompletion(ctx, id)
}

// call is one caller. It returns the code of the answer, 0 if it waits for none or the
// connection was closed before one came. sent is called once it has sent all.
func (k *kind) call(url string, i int, release <-chan struct{}, sent func()) int {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		sent()
		return -1
	}
	defer conn.Close()
	if k.held {
		k.send(conn, i)
		sent()
		<-release
		return 0
	}
	defer sent()
	written := make(chan struct{})
	go func() { // an answer may come before all is sent; ended by the answer or the Close
		defer close(written)
		k.send(conn, i)
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		conn.Close()
		<-written
		return 0
	}
	io.Copy(io.Discard, res.Body)
	conn.Close()
	<-written
	return res.StatusCode
}
