package engine

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"
)

// Whatever a process left, the next one runs, and counts at most one death more of each.
func FuzzDeaths(f *testing.F) {
	words := func(all ...uint64) (bytes []byte) {
		for _, w := range all {
			bytes = binary.LittleEndian.AppendUint64(bytes, w)
		}
		return bytes
	}
	f.Add([]byte(`{"build":"b","life":1,"runs":[{"number":7,"what":1,"deaths":2,"seconds":3}]}`), words(2, 7, 1, 9, 0, 0, 0))
	f.Add([]byte(`{"build":"b","life":1,"runs":[{"number":7,"what":1,"deaths":-9223372036854775808,"seconds":18446744073709551615}]}`), words(2, 7, 1))
	f.Add([]byte(`{"build":"b","runs":[null,{}]}`), words(1))
	f.Add([]byte(`[]`), words(1, 7, 1, 1, 7, 1, 1))
	f.Fuzz(func(t *testing.T, memo, notes []byte) {
		g := &ground{memo: memo, words: make([]atomic.Uint64, len(notes)/8)}
		for i := range g.words {
			g.words[i].Store(binary.LittleEndian.Uint64(notes[8*i:]))
		}
		d := g.life(3, "b")
		var runs []runID
		for run := range d.counts {
			runs = append(runs, run)
		}
		for _, run := range runs {
			d.putAside(run.Number)
			d.admit(run, heldFunc(func() {}))
			d.pick()
			d.outlived(run, time.Hour)
			d.clear(run)
		}
		if n := d.take(); n != nil {
			n.begin(suspect)
		}
		d.end(t.Context())
		if again := g.life(4, "b"); len(again.counts) > 0 && d.notes != nil {
			t.Errorf("%d counts are left when all is clear and the process ended well", len(again.counts))
		}
	})
}
