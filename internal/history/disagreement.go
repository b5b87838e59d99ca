package history

// Disagreement is something in a hub that does not agree with the rest of it.
type Disagreement struct {
	Instance InstanceID `json:"instanceId,omitempty"` // empty: it is about no instance, or nobody knows which
	Rule     string     `json:"rule"`                 // what kind of rows should agree: row, history, timer, index, ...
	Rows     string     `json:"rows"`                 // which rows
	Says     string     `json:"says"`                 // what they say
	Do       string     `json:"do"`                   // what to do about it
}
