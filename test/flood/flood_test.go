package flood

import (
	"bufio"
	"context"
	"encoding/json"
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
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
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

	keys    bool // the host needs keys, and its links open one operation each
	waiting int  // instances that are there before
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
	many := size(1000, 20_000)
	return []kind{
		{name: "bodies for nobody", callers: size(8, 32), send: post("/orchestrators/Nobody", body), want: []int{400}, most: 400},
		{name: "bodies", callers: size(4, 32), send: post("/orchestrators/Echo", body), want: []int{202, 429}, most: int64(size(800, 2200))},
		{name: "bodies that stall", callers: size(8, 32), send: halfBody, held: true, most: int64(size(500, 900))},
		{name: "small bodies that stall", callers: size(200, 2000), send: func(w io.Writer, _ int) {
			head(w, "POST", "/orchestrators/Echo", 16_000)
			io.WriteString(w, strings.Repeat(" ", 15_000))
		}, held: true, most: 500},
		{name: "bodies of 50 GB", callers: size(100, 1000), send: func(w io.Writer, _ int) { head(w, "POST", "/orchestrators/Echo", 50<<30) }, want: []int{413}, most: 400},
		{name: "keys", callers: size(300, 6000), send: func(w io.Writer, i int) {
			post("/instances/later/raiseEvent/x", "1", "Idempotency-Key", fmt.Sprintf("%08d%s", i, strings.Repeat("k", 60_000)))(w, i)
		}, want: []int{400}, most: 500},
		{name: "names and keys that are allowed", callers: size(500, 60_000), send: func(w io.Writer, i int) {
			name := strings.Repeat("n", history.MaxNameBytes)
			post("/instances/later/raiseEvent/"+name, "1", "Idempotency-Key", fmt.Sprintf("%0*d", history.MaxKeyLength, i))(w, i)
		}, want: []int{202, 429}, most: 600},
		{name: "tags", callers: size(300, 6000), send: post("/orchestrators/Wait?tag.a="+strings.Repeat("t", 15_000), "1"), want: []int{202, 429}, most: int64(size(700, 1000))},
		{name: "reasons", callers: size(300, 6000), send: func(w io.Writer, i int) {
			post([]string{"/instances/later/suspend", "/instances/later/resume"}[i%2]+"?reason="+strings.Repeat("r", 15_000), "")(w, i)
		}, want: []int{202, 409, 429}, most: 500},
		{name: "connections that say nothing", callers: size(400, 5000), send: func(io.Writer, int) {}, held: true, most: 500},
		{name: "connections that begin to speak", callers: size(400, 5000), send: func(w io.Writer, _ int) { io.WriteString(w, "GET / HTTP/1.1\r\nHost: ") }, held: true, most: 500},
		{name: "forged links", callers: size(300, 6000), send: get("/instances/later?code=" + strings.Repeat("A", 56)), want: []int{401}, most: 400, keys: true},
		{name: "lists", callers: size(100, 2000), send: get("/instances?top=1000"), want: []int{200, 429}, most: 600, waiting: many},
		{name: "lists that nobody reads", callers: size(100, 1000), send: get("/instances?top=1000"), held: true, most: 600, waiting: many},
		{name: "waits", callers: size(200, 3000), send: get("/instances/later?wait=200"), held: true, most: 500},
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
			p := begin(t, fewFiles(t, program), k)
			for i := range k.waiting {
				if _, err := p.Start(t.Context(), "Wait", text(2000), client.StartOptions{ID: client.InstanceID(fmt.Sprint("waiting-", i))}); err != nil {
					t.Fatal(err)
				}
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

// begin starts the program that a flood of that kind comes to, with one instance.
func begin(t *testing.T, program string, k kind) *process.Process {
	t.Helper()
	app := t.TempDir()
	folder := filepath.Join(app, "data")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if k.keys {
		settings := `{"version": "2.0", "extensions": {"durableTask": {"management": {"requireKey": true, "links": {"scope": "instance"}}}}}`
		if err := os.WriteFile(filepath.Join(app, "host.json"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := process.Begin(t, program, folder)
	if k.keys {
		p.Client = client.Remote(p.URL, client.RemoteOptions{Key: key(t, folder)})
	}
	if _, err := p.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "later"}); err != nil {
		t.Fatal(err)
	}
	return p
}

// key is the first of the keys that the host in folder has.
func key(t *testing.T, folder string) string {
	t.Helper()
	var file struct{ SystemKeys []struct{ Value string } }
	content, err := os.ReadFile(filepath.Join(folder, "keys.json"))
	if err == nil {
		err = json.Unmarshal(content, &file)
	}
	if err != nil || len(file.SystemKeys) == 0 {
		t.Fatalf("keys.json: %d keys, %v", len(file.SystemKeys), err)
	}
	return file.SystemKeys[0].Value
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
		for tries := 0; tries < 100 && errors.Is(err, client.ErrUnavailable); tries++ { // its connection, idle for a while, has made way just then
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
	_, err := p.Start(ctx, "Echo", input, client.StartOptions{ID: client.InstanceID(id), Reuse: hub.RefuseIfExists})
	if err != nil && !errors.Is(err, client.ErrAlreadyExists) {
		return nil, fmt.Errorf("start: %w", err)
	}
	return p.Wait(ctx, client.InstanceID(id))
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
