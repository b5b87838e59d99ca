package client_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestParseEventType(t *testing.T) {
	if got, err := client.ParseEventType("taskcompleted"); err != nil || got.String() != "TaskCompleted" {
		t.Errorf("ParseEventType(taskcompleted) = %v, %v", got, err)
	}
	if got, err := client.ParseEventType("TaskDone"); err == nil {
		t.Errorf("ParseEventType(TaskDone) = %v, want an error", got)
	}
}

func TestResult(t *testing.T) {
	st := &client.Status{ID: "x", RuntimeStatus: history.Completed, Output: json.RawMessage(`[1,2]`)}
	if got, err := client.Result[[]int](st); err != nil || len(got) != 2 {
		t.Errorf("Result = %v, %v; want [1 2]", got, err)
	}
	st.RuntimeStatus = history.Failed
	if _, err := client.Result[[]int](st); err == nil {
		t.Errorf("Result of a failed instance has no error")
	}
	st.RuntimeStatus = history.Running
	if _, err := client.Result[[]int](st); !errors.Is(err, client.ErrInvalidState) {
		t.Errorf("Result of a running instance error = %v, want ErrInvalidState", err)
	}
}
