package httpapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/wire"
)

// form names a body that has no Go type of its own.
type form string

// The forms.
const (
	anyJSON        form = ""
	textForm       form = "Text"
	errorForm      form = "Error"
	statusForm     form = "Status"
	statusListForm form = "StatusList"
	countsForm     form = "Counts"
)

// tree is a JSON object without an order of its own; it is written sorted.
type tree = map[string]any

// forms are the schemas of those that have a name.
var forms = tree{
	string(textForm): tree{"type": "string"},
	string(errorForm): objectSchema(tree{
		"Message": plain("string"), "ExceptionMessage": plain("string"), "ExceptionType": plain("string"), "StackTrace": plain("null"),
		"Code": plain("string"),
	}),
	string(statusForm): tree{
		"type": "object",
		"properties": tree{
			"name": plain("string"), "instanceId": plain("string"), "runtimeStatus": tree{"anyOf": []any{statusSchema(), plain("null")}},
			"input": tree{}, "customStatus": tree{}, "output": tree{},
			"createdTime": tree{"type": "string", "format": "date-time"}, "lastUpdatedTime": tree{"type": "string", "format": "date-time"},
			"historyEvents": tree{"type": "array", "items": plain("object")},
			"history":       tree{"type": "array", "items": plain("object"), "description": "The same as historyEvents."},
			"details":       plain("object"),
			"error":         tree{"type": "string", "description": "What is stored and cannot be shown, and why; else absent. runtimeStatus is null if that cannot be read."},
		},
		"required": []string{"name", "instanceId", "runtimeStatus", "input", "customStatus", "output", "createdTime", "lastUpdatedTime"},
	},
	string(statusListForm): tree{"type": "array", "items": reference(string(statusForm))},
	string(countsForm): objectSchema(tree{
		"total":         plain("integer"),
		"runtimeStatus": tree{"type": "object", "propertyNames": statusSchema(), "additionalProperties": plain("integer")},
	}),
}

// describe writes the OpenAPI 3.1 document of the routes. The same routes give
// the same bytes.
func describe(routes []route) []byte {
	d := &description{paths: tree{}, schemas: tree{}}
	for name, schema := range forms {
		d.schemas[name] = schema
	}
	for i := range routes {
		d.add(&routes[i])
	}
	text, err := wire.Encode(tree{
		"openapi": "3.1.0",
		"info": tree{
			"title":       "Perdure instance management",
			"version":     "1",
			"description": "Letter case of paths and of parameters does not count. A path or a method that is not here is 404.",
		},
		"servers":  []tree{{"url": BasePath}},
		"security": []tree{{}, {"code": []string{}}, {"header": []string{}}},
		"paths":    d.paths,
		"components": tree{
			"schemas": d.schemas,
			"securitySchemes": tree{
				"code":   tree{"type": "apiKey", "in": "query", "name": "code"},
				"header": tree{"type": "apiKey", "in": "header", "name": "x-functions-key"},
			},
		},
	})
	if err != nil {
		panic(fmt.Sprintf("httpapi: encode the description: %v", err)) // at construction: the routes are wrong
	}
	return text
}

type description struct {
	paths   tree
	schemas tree
}

var (
	optionalSegment = regexp.MustCompile(`/\{(\w+)\?\}$`)
	segmentName     = regexp.MustCompile(`\{(\w+)\}`)
)

// add describes a route; one whose last segment may be missing has two paths.
func (d *description) add(t *route) {
	long := optionalSegment.ReplaceAllString("/"+t.pattern, "/{$1}")
	d.operation(long, t.name, t)
	if short := optionalSegment.ReplaceAllString("/"+t.pattern, ""); short != long {
		d.operation(short, t.name+"WithoutId", t)
	}
}

func (d *description) operation(path, name string, t *route) {
	var params []tree
	for _, segment := range segmentName.FindAllStringSubmatch(path, -1) {
		params = append(params, tree{"name": segment[1], "in": "path", "required": true, "schema": plain("string")})
	}
	for p := range t.parameters() {
		if p.name == "code" {
			continue // among the security schemes
		}
		in := "query"
		if p.kind == header {
			in = "header"
		}
		text := p.text
		if t.link != "" && !p.link && p.kind != header {
			text += " A link may not have it."
		}
		params = append(params, tree{"name": p.name, "in": in, "description": text, "schema": kindSchemas[p.kind]})
	}
	op := tree{"operationId": name, "summary": t.summary, "parameters": params, "responses": d.responses(t)}
	if t.body != "" {
		op["requestBody"] = tree{"description": t.body, "content": tree{"application/json": tree{"schema": tree{}}}}
	}
	operations, ok := d.paths[path].(tree)
	if !ok {
		operations = tree{}
		d.paths[path] = operations
	}
	// A route for any method is described by one.
	operations[strings.ToLower(t.documentedMethod())] = op
}

func (t *route) documentedMethod() string {
	if t.method == "" {
		return "POST"
	}
	return t.method
}

func (d *description) responses(t *route) tree {
	out := tree{
		"401":     tree{"description": "A key is needed."},
		"default": tree{"description": "Another error.", "content": content(reference(string(errorForm)))},
	}
	for _, a := range t.answers {
		response := tree{"description": a.text}
		if a.form != nil {
			response["content"] = content(d.schema(a.form))
		}
		out[strconv.Itoa(a.code)] = response
	}
	return out
}

func content(schema tree) tree { return tree{"application/json": tree{"schema": schema}} }

func (d *description) schema(f any) tree {
	switch name, isForm := f.(form); {
	case name == anyJSON && isForm:
		return tree{}
	case isForm:
		return reference(string(name))
	}
	return d.typeSchema(reflect.TypeOf(f))
}

// typeSchema describes what encoding/json makes of a type. Structs go among the
// components, by name.
func (d *description) typeSchema(t reflect.Type) tree {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return tree{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[history.RuntimeStatus]():
		return statusSchema()
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), t.Kind() == reflect.String:
		return plain("string")
	case t == reflect.TypeFor[json.RawMessage]():
		return tree{}
	}
	switch t.Kind() {
	case reflect.Bool:
		return plain("boolean")
	case reflect.Int, reflect.Int32, reflect.Int64:
		return plain("integer")
	case reflect.Pointer:
		return d.typeSchema(t.Elem())
	case reflect.Slice:
		return tree{"type": "array", "items": d.typeSchema(t.Elem())}
	}
	if _, done := d.schemas[t.Name()]; !done {
		properties := tree{}
		d.schemas[t.Name()] = tree{"type": "object", "properties": properties} // first, for types that hold themselves
		for field := range t.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			properties[name] = d.typeSchema(field.Type)
		}
	}
	return reference(t.Name())
}

// kindSchemas describe parameters.
var kindSchemas = map[kind]tree{
	text:     plain("string"),
	header:   plain("string"),
	document: plain("string"),
	prose:    plain("string"),
	flag:     plain("boolean"),
	seconds:  {"type": "number", "minimum": 0},
	number:   {"type": "integer", "minimum": 1},
	instant:  {"type": "string", "format": "date-time"},
	statuses: {"type": "array", "items": statusSchema()},
	reuse:    {"type": "string", "enum": wire.ReuseNames},
}

func plain(typ string) tree      { return tree{"type": typ} }
func reference(name string) tree { return tree{"$ref": "#/components/schemas/" + name} }

func statusSchema() tree {
	var names []string
	for _, s := range history.Statuses() {
		names = append(names, s.String())
	}
	return tree{"type": "string", "enum": names}
}

// objectSchema describes an object that has all the properties.
func objectSchema(properties tree) tree {
	return tree{"type": "object", "properties": properties, "required": slices.Sorted(maps.Keys(properties))}
}
