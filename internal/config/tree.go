package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// leaf is a scalar of a settings file, as text: "10" and 10 are the same
// (docs/contracts/config.md 2.2).
type leaf struct {
	text   string
	path   string // keys as written, joined by '.'
	source string // file path or environment variable
	kind   kind
	quoted bool // was a string in the file
	array  bool // an array stands here, not an object
}

type kind int8

const (
	scalar kind = iota
	null
	object // an object or array stands here; its members are leaves of their own
)

// tree is a flattened settings file: lower-case keys joined by ':'. Objects
// themselves are in it too, so that a scalar in their place can be told.
type tree map[string]leaf

// maxDepth bounds how deep a settings file may nest.
const maxDepth = 64

// parseTree reads one JSON object in the lenient dialect. Of keys that differ
// only in letter case, or not at all, the last one wins; a warning names both.
func parseTree(source string, text []byte) (out tree, warnings []string, err error) {
	clean := standardize(text)
	p := parser{source: source, out: tree{}, dec: json.NewDecoder(bytes.NewReader(clean))}
	p.dec.UseNumber()
	err = p.document()
	if err == nil {
		return p.out, p.warnings, nil
	}
	var syntax *json.SyntaxError
	offset := p.dec.InputOffset()
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	line, column := position(clean, int(offset))
	return nil, nil, fmt.Errorf("line %d, column %d: %w", line, column, err)
}

func position(text []byte, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

type parser struct {
	dec      *json.Decoder
	source   string
	out      tree
	warnings []string
}

func (p *parser) document() error {
	tok, err := p.dec.Token()
	if err == io.EOF {
		return errors.New("the file is empty")
	}
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	if err := p.members(nil, '}'); err != nil {
		return err
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return errors.New("more text after the JSON object")
	}
	return nil
}

// members reads what is inside an object or array, its end included.
func (p *parser) members(path []string, end json.Delim) error {
	if len(path) > maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	for i := 0; ; i++ {
		tok, err := p.dec.Token()
		if err != nil {
			return unexpectedEnd(err)
		}
		if tok == end {
			return nil
		}
		name := strconv.Itoa(i)
		if end == '}' {
			name = tok.(string)
			if tok, err = p.dec.Token(); err != nil {
				return unexpectedEnd(err)
			}
		}
		if err := p.value(append(path[:len(path):len(path)], name), tok); err != nil {
			return err
		}
	}
}

func (p *parser) value(path []string, tok json.Token) error {
	l := leaf{path: strings.Join(path, "."), source: p.source}
	key := foldKey(path)
	if before, ok := p.out[key]; ok {
		p.warnings = append(p.warnings, fmt.Sprintf("%s is given twice: it is ignored, and the last one, %s, is used", before.origin(), l.path))
	}
	p.out.erase(key)
	switch v := tok.(type) {
	case json.Delim:
		l.kind, l.array = object, v == '['
		p.out[key] = l
		return p.members(path, map[json.Delim]json.Delim{'{': '}', '[': ']'}[v])
	case nil:
		l.kind = null
	case bool:
		l.text = "False"
		if v {
			l.text = "True"
		}
	case json.Number:
		l.text = v.String()
	case string:
		l.text, l.quoted = v, true
	}
	p.out[key] = l
	return nil
}

func unexpectedEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// foldKey joins names so that letter case does not matter. A ':' within a name
// stays what it is: it can only add a setting, as in the original.
func foldKey(path []string) string { return strings.ToLower(strings.Join(path, ":")) }

// erase removes key and everything below it.
func (t tree) erase(key string) {
	if _, ok := t[key]; !ok {
		return
	}
	for other := range t {
		if other == key || strings.HasPrefix(other, key+":") {
			delete(t, other)
		}
	}
}

// below returns what is under key, with key cut off.
func (t tree) below(key string) tree {
	out := tree{}
	for k, l := range t {
		if rest, ok := strings.CutPrefix(k, key+":"); ok {
			out[rest] = l
		}
	}
	return out
}
