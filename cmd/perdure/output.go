package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perdure/perdure/internal/nearest"
	"github.com/perdure/perdure/internal/wire"
)

// formats are the values of --output.
var formats = []string{"json", "jsonl", "table", "legacy"}

// result is what a command has to show, in every form that can be asked for.
type result struct {
	document any    // json: the one document
	lines    []any  // jsonl: a line each; nil: the document in one line
	rows     []row  // table; the first one is the head
	legacy   any    // a string is printed as it is, anything else as JSON; nil: the document
	usual    string // format when none is asked for; empty: a table
}

// row is a line of a table.
type row []string

// checkFormat refuses an unknown --output before anything is done.
func (t *tool) checkFormat() error {
	if t.output == "" {
		return nil
	}
	for _, known := range formats {
		if t.output == known {
			return nil
		}
	}
	return usage("--output %s: the value is json, jsonl, table or legacy%s", t.output, nearest.Hint(t.output, formats))
}

// format is the one that was asked for, else the usual one.
func (t *tool) format(usual string) string {
	switch {
	case t.output != "":
		return t.output
	case usual != "":
		return usual
	case t.coreTools:
		return "legacy"
	}
	return "table"
}

// show prints r on stdout.
func (t *tool) show(r result) error {
	switch t.format(r.usual) {
	case "json":
		return encode(t.stdout, "  ", r.document)
	case "jsonl":
		if r.lines == nil {
			r.lines = []any{r.document}
		}
		for _, line := range r.lines {
			if err := encode(t.stdout, "", line); err != nil {
				return err
			}
		}
		return nil
	case "table":
		return t.writeTable(r.rows)
	}
	switch legacy := r.legacy.(type) {
	case nil:
		return encode(t.stdout, "  ", r.document)
	case string:
		_, err := io.WriteString(t.stdout, legacy)
		return err
	default:
		return encode(t.stdout, "  ", legacy)
	}
}

// sentence is the result of a command that does something: a text with a line
// for people and scripts, which is the default, and the same as members of an
// object.
func sentence(text string, members object) result {
	head, values := row{}, row{}
	for _, m := range members {
		head = append(head, strings.ToUpper(spaced(m.key)))
		values = append(values, fmt.Sprint(m.value))
	}
	return result{document: members, rows: []row{head, values}, legacy: text + "\n", usual: "legacy"}
}

// spaced is a camel-case name as words.
func spaced(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

// with adds a member.
func (o object) with(key string, value any) object { return append(o, member{key, value}) }

// concat adds the members of more.
func (o object) concat(more object) object { return append(o, more...) }

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	var out wire.Object
	for _, m := range o {
		value, err := wire.Encode(m.value)
		if err != nil {
			return nil, err
		}
		out.Raw(m.key, value)
	}
	return out.JSON(), nil
}

func encode(w io.Writer, indent string, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

// arrayWriter writes a JSON object that begins with an array, item by item, as
// encode would write it as a whole.
type arrayWriter struct {
	w     io.Writer
	name  string // of the array
	items int    // that were written
}

func (a *arrayWriter) add(item any) error {
	before := ",\n    "
	if a.items == 0 {
		before = fmt.Sprintf("{\n  %q: [\n    ", a.name)
	}
	a.items++
	var b strings.Builder
	b.WriteString(before)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	if err := enc.Encode(item); err != nil {
		return err
	}
	_, err := io.WriteString(a.w, strings.TrimSuffix(b.String(), "\n"))
	return err
}

// end writes the members that follow the array.
func (a *arrayWriter) end(members object) error {
	after := "\n  ]"
	if a.items == 0 {
		after = fmt.Sprintf("{\n  %q: []", a.name)
	}
	var b strings.Builder
	if err := encode(&b, "  ", members); err != nil {
		return err
	}
	_, err := io.WriteString(a.w, after+","+strings.TrimPrefix(b.String(), "{"))
	return err
}

// writeTable aligns the columns; no line ends in blanks.
func (t *tool) writeTable(rows []row) error {
	status := slices.Index(rows[0], "STATUS")
	if t.noHeaders {
		rows = rows[1:]
	}
	var widths []int
	for i, r := range rows {
		rows[i] = cells(r)
		for j, cell := range rows[i] {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		line := ""
		for j, cell := range r {
			text := cell
			if j == status {
				text = t.paint(cell)
			}
			line += text + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+columnGap)
		}
		if err := draw(t.stdout, strings.TrimRight(line, " ")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// columnGap is between two columns of a table.
const columnGap = 2

// lines are a text of several lines.
func lines(text []string) string { return strings.Join(cells(text), "\n") + "\n" }

// cells are texts of one line each that a terminal shows as they are.
func cells(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = visible(oneLine.Replace(cell))
	}
	return out
}

var oneLine = strings.NewReplacer("\n", " ", "\t", " ", "\r", " ")
