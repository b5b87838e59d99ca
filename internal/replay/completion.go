package replay

import "github.com/perdure/perdure/internal/history"

// complete returns the action that ends the execution the way the code did.
func (s *Session) complete() history.Action {
	failure := s.failure
	if s.co.crash != nil {
		failure = s.co.crash
	}
	if failure != nil {
		if s.following != nil {
			s.logger().Warn("continue-as-new dropped: the orchestrator failed after it", "error", failure.String())
		}
		end := s.fail(failure)
		end.Tasks = s.causes
		return end
	}
	a := history.Action{Kind: history.CompleteExecution, ID: s.completionID(), Status: history.Completed, Payload: s.result}
	if next := s.following; next != nil {
		a.Status, a.Payload, a.Version = history.ContinuedAsNew, next.Input, next.Version
		if !next.DiscardEvents {
			a.Carry = s.rest()
		}
		// Events that came after the code had ended were not the code's to
		// discard (docs/contracts/runtime.md 2.8).
		a.Carry = append(a.Carry, s.late...)
	}
	return a
}

func (s *Session) fail(failure *history.Failure) history.Action {
	return history.Action{Kind: history.CompleteExecution, ID: s.completionID(), Status: history.Failed, Failure: failure}
}

// completionID is the next sequence id; where the code does not fit its history
// that may be one that the history has used already.
func (s *Session) completionID() int32 { return max(s.nextID, s.recorded+1) }
