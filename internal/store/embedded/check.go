package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/ledger"
)

// entry is a row that a status row asks for: of an index, or of its id.
type entry struct {
	number history.Number
	key    string // from its space on
	value  string
}

// verification compares the rows of a hub that only the store knows with the
// status rows.
type verification struct {
	*asOf
	tell       func(history.Disagreement)
	entries    *ledger.Ledger[entry]
	counts     counts                  // of the status rows
	kept       counts                  // as they are kept
	unreadable map[history.Number]bool // status rows
	records    *pebble.Iterator
	writer     *writer // of index keys
	first      bool    // round: later ones tell nothing of single rows
}

// Verify implements [store.View].
func (v *asOf) Verify(step func() error, tell func(history.Disagreement)) error {
	if err := v.db.verifyTables(step, tell); err != nil {
		return err
	}
	c := &verification{asOf: v, tell: tell, entries: ledger.New[entry](), unreadable: make(map[history.Number]bool), writer: newWriter(v.Hub)}
	var err error
	if c.records, err = v.iterator(newKey(v.id, spaceRecords).prefix()); err != nil {
		return err
	}
	defer c.records.Close() // its error is that of c.records.Error
	for round := range c.entries.Rounds() {
		c.first = round == 1
		if err := c.scan(step); err != nil {
			return err
		}
	}
	c.first = true
	for _, k := range slices.Sorted(maps.Keys(v.odd)) {
		if k[2] == spaceRecords {
			c.tellOdd(key(k), "the key of a %s has %d bytes", shapes[k[2]].name, len(k))
		}
	}
	c.compareCounts()
	c.compareEntries()
	return nil
}

// scan looks at every row of the hub but its records, which the engine reads.
func (c *verification) scan(step func() error) error {
	it, err := c.iterator(newHubKey(c.id).prefix())
	if err != nil {
		return err
	}
	defer it.Close() // its error is that of it.Error
	for ok := it.First(); ok; {
		if err := step(); err != nil {
			return err
		}
		k := key(it.Key())
		if len(k) >= numberAt && k[2] == spaceRecords {
			ok = it.SeekGE(newKey(c.id, spaceRecords).next())
			continue
		}
		if err := c.row(k, it); err != nil {
			return err
		}
		ok = it.Next()
	}
	return it.Error()
}

// shapes are how the keys of each space end, after the hub and the space:
// length is that of all that follows, or -1 where it varies and at least a
// number is at the end.
var shapes = map[byte]struct {
	name   string
	length int
}{
	spaceBig: {"big record", 8 + 4}, spaceCounts: {"count", 1}, spaceEpochs: {"epoch", 2}, spaceTags: {"tag index", -1},
	spaceRows: {"status row", 8}, spaceMemo: {"memo", 0}, spaceLabels: {"label index", -1}, spaceInbox: {"message", 2 + 2 + 8},
	spaceIDs: {"id row", -2}, spaceNames: {"name index", -1}, spaceRecords: {"record", 8 + 4}, spaceStatuses: {"status index", 1 + 8},
	spaceTimers: {"timer row", 2 + 8 + 8 + 4}, spaceWork: {"work flag", 2 + 8},
}

// row looks at one row.
func (c *verification) row(k key, it *pebble.Iterator) error {
	if len(k) < numberAt {
		c.tellOdd(k, "a key of %d bytes is none that this build writes", len(k))
		return nil
	}
	shape, known := shapes[k[2]]
	switch rest := len(k) - numberAt; {
	case !known:
		c.tellOdd(k, "a row of kind %q is none that this build knows", k[2])
		return nil
	case shape.length >= 0 && rest != shape.length, shape.length == -1 && rest < 8, shape.length == -2 && rest == 0:
		c.tellOdd(k, "the key of a %s has %d bytes", shape.name, len(k))
		return nil
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	switch k[2] {
	case spaceRows:
		c.statusRow(k, value)
	case spaceIDs:
		number, err := decodeNumber(value)
		if err != nil {
			c.tellOdd(k, "id row: %v", err)
			return nil
		}
		c.entries.Is(uint64(number), entry{number, string(k[2:]), string(value)})
	case spaceStatuses, spaceNames, spaceTags, spaceLabels:
		number := history.Number(binary.BigEndian.Uint64(k[len(k)-8:]))
		c.entries.Is(uint64(number), entry{number, string(k[2:]), string(value)})
	case spaceBig:
		return c.bigRecord(k)
	case spaceCounts:
		if len(value) != 8 {
			c.tellOdd(k, "count of %d bytes", len(value))
			return nil
		}
		c.kept[k[numberAt]] = int64(binary.BigEndian.Uint64(value))
	case spaceInbox:
		c.checkPartitions(k, 2)
	case spaceEpochs, spaceTimers, spaceWork:
		c.checkPartitions(k, 1)
	}
	return nil
}

// checkPartitions looks at the partitions, n of them, with which a key goes on.
func (c *verification) checkPartitions(k key, n int) {
	for i := range n {
		if p := int(binary.BigEndian.Uint16(k[numberAt+2*i:])); p >= c.partitions {
			c.tellOdd(k, "%s of partition %d, but the hub has %d", shapes[k[2]].name, p, c.partitions)
		}
	}
}

// statusRow notes what a status row asks for.
func (c *verification) statusRow(k key, value []byte) {
	number := history.Number(binary.BigEndian.Uint64(k[numberAt:]))
	if !c.entries.Asks(uint64(number)) {
		return
	}
	row, err := history.DecodeInstance(value)
	if err != nil {
		c.unreadable[number] = true // told by the engine
		return
	}
	should := func(k key, value string) {
		c.entries.Should(uint64(number), entry{number, string(k[2:]), value})
	}
	should(c.idKey(row.ID), string(binary.BigEndian.AppendUint64(nil, uint64(number))))
	for beginning := range c.writer.stretches(&row, row.Status) {
		should(beginning.number(number), "")
	}
	if c.first && indexed(row.ID) {
		c.counts[uint8(row.Status)]++
	}
}

// bigRecord wants the record that the bytes at k belong to.
func (c *verification) bigRecord(k key) error {
	if !c.first {
		return nil
	}
	of := slices.Clone(k)
	of[2] = spaceRecords
	if c.records.SeekGE(of) && bytes.Equal(c.records.Key(), of) {
		if value, err := c.records.ValueAndErr(); err != nil || len(value) == 1 && value[0] == apart {
			return err
		}
	}
	if err := c.records.Error(); err != nil {
		return err
	}
	number := history.Number(binary.BigEndian.Uint64(k[numberAt:]))
	c.tell(history.Disagreement{
		Instance: c.instance(number), Rule: "record", Rows: fmt.Sprintf("record %d of instance number %d", binary.BigEndian.Uint32(k[rowKeyLen:]), number),
		Says: "its bytes are stored apart, but the record does not say so", Do: "restore a backup",
	})
	return nil
}

// tellOdd tells of a row that cannot be.
func (c *verification) tellOdd(k key, format string, args ...any) {
	if c.first {
		c.tell(history.Disagreement{Rule: "key", Rows: fmt.Sprintf("row with the key %x", []byte(k)), Says: fmt.Sprintf(format, args...), Do: "restore a backup, or use the build that wrote it"})
	}
}

func (c *verification) compareCounts() {
	if len(c.unreadable) > 0 {
		return // nobody knows what their statuses are
	}
	for status, n := range c.counts {
		if kept := c.kept[status]; kept != n {
			name := history.RuntimeStatus(status)
			c.tell(history.Disagreement{
				Rule: "count", Rows: fmt.Sprintf("count of %s, and status rows", name),
				Says: fmt.Sprintf("%d are counted, but %d rows are %s", kept, n, name), Do: "restore a backup; nothing but counts is wrong otherwise",
			})
		}
	}
}

// compareEntries tells of rows that are missing and of rows that are too much.
func (c *verification) compareEntries() {
	missing := make(map[entry]bool)
	for e, should := range c.entries.Differing() {
		if !c.unreadable[e.number] {
			missing[e] = should
		}
	}
	for _, e := range slices.SortedFunc(maps.Keys(missing), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.key, b.key))
	}) {
		c.tell(c.disagreement(&e, missing[e]))
	}
	if more := c.entries.More(); more > 0 {
		c.tell(history.Disagreement{
			Rule: "index", Rows: "indexes, id rows and status rows", Says: fmt.Sprintf("of %d other instances, or more, they do not agree either", more), Do: "restore a backup",
		})
	}
}

func (c *verification) disagreement(e *entry, missing bool) history.Disagreement {
	name := shapes[e.key[0]].name
	d := history.Disagreement{
		Instance: c.instance(e.number), Rule: "index",
		Rows: fmt.Sprintf("%s of %s, and status row %d", name, c.named(e), e.number),
		Says: "it is missing: lists by it do not show the instance",
		Do:   "restore a backup, or export the instance and import it in its own place: perdure export --id ID >FILE, then perdure import @FILE --on-conflict terminate",
	}
	switch {
	case e.key[0] == spaceIDs && missing:
		d.Says, d.Do = "it is missing, or names another number: the instance is not found by its id", "restore a backup"
	case e.key[0] == spaceIDs:
		d.Says, d.Do = fmt.Sprintf("it names number %d, but that row is not there or is another's: the id cannot be used", e.number), "restore a backup"
	case !missing:
		d.Says, d.Do = "it is there, but the row does not ask for it: lists by it fail or show too much", "restore a backup"
	}
	return d
}

// named tells what an entry finds the instance by.
func (c *verification) named(e *entry) string {
	rest := []byte(e.key[1:])
	if e.key[0] == spaceIDs {
		return fmt.Sprintf("%q", rest)
	}
	rest = rest[:len(rest)-8]
	if e.key[0] == spaceStatuses {
		return history.RuntimeStatus(rest[0]).String()
	}
	var texts []string
	for len(rest) > 0 {
		length, n := binary.Uvarint(rest)
		if n <= 0 || uint64(len(rest)-n) < length {
			break
		}
		texts = append(texts, string(rest[n:n+int(length)]))
		rest = rest[n+int(length):]
	}
	return fmt.Sprintf("%q", texts)
}

// instance returns the id of the instance number, empty if it cannot be read.
func (c *verification) instance(number history.Number) (id history.InstanceID) {
	_, _ = get(c.moment, c.rowKey(number), func(value []byte) error { // what cannot be read is told elsewhere
		row, err := history.DecodeInstance(value)
		id = row.ID
		return err
	})
	return id
}
