package wire

import (
	"encoding/json"
	"strconv"

	"github.com/perdure/perdure/internal/history"
)

// failureForm is FailureDetails (docs/contracts/http-api.md 5.3). It has every
// member, always.
var failureForm form[history.Failure]

func init() { // a failure holds one of its kind
	failureForm = form[history.Failure]{
		text("ErrorType", func(f *history.Failure) *string { return &f.Type }),
		text("ErrorMessage", func(f *history.Failure) *string { return &f.Message }),
		{"StackTrace",
			func(f *history.Failure, _ View) (json.RawMessage, bool) {
				if f.Stack == "" {
					return nil, true
				}
				return Quote(f.Stack), true
			},
			func(f *history.Failure, value json.RawMessage) error { return json.Unmarshal(value, &f.Stack) }},
		{"InnerFailure",
			func(f *history.Failure, _ View) (json.RawMessage, bool) { return failure(f.Inner), true },
			func(f *history.Failure, value json.RawMessage) error { return readFailure(&f.Inner, value) }},
		{"IsNonRetriable",
			func(f *history.Failure, _ View) (json.RawMessage, bool) {
				return json.RawMessage(strconv.FormatBool(f.NonRetriable)), true
			},
			func(f *history.Failure, value json.RawMessage) error { return json.Unmarshal(value, &f.NonRetriable) }},
		{"Properties",
			func(*history.Failure, View) (json.RawMessage, bool) { return nil, true },
			func(*history.Failure, json.RawMessage) error { return nil }},
	}
}

// failure is null for none.
func failure(f *history.Failure) json.RawMessage {
	if f == nil {
		return nil
	}
	var o Object
	failureForm.write(&o, f, View{})
	return o.JSON()
}

func readFailure(into **history.Failure, value json.RawMessage) error {
	fields, err := members(value)
	if err != nil {
		return err
	}
	*into = new(history.Failure)
	return failureForm.read(*into, fields)
}
