package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Server is a process that a peer needs.
type Server struct {
	command *exec.Cmd
	ended   chan error // sent its end, once
	log     string     // file of what it says
}

// StartServer starts a command as a server whose output goes to a file. The
// server is in a process group of its own, so that Ctrl-C reaches this program
// only, which then stops the server in good order.
func StartServer(command *exec.Cmd, log string) (*Server, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	command.Stdout, command.Stderr = out, out
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &Server{command: command, ended: make(chan error, 1), log: log}
	go func() { s.ended <- command.Wait() }() // ends with the process, which Stop ends
	return s, nil
}

// WaitUntil returns when ready returns no error any more; it asks every 50 ms
// for at most a minute. If that does not happen the error tells what the server
// has said.
func (s *Server) WaitUntil(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
			continue
		case ended := <-s.ended:
			s.ended <- ended // for Stop
			err = fmt.Errorf("it ended: %w", ended)
		case <-ctx.Done():
		}
		said, _ := os.ReadFile(s.log)
		return fmt.Errorf("%s is not ready: %w; it said:\n%s", s.command.Path, err, said)
	}
}

// Stop asks the process to end by a signal, kills it if it has not ended after
// 20 seconds, and returns when it has ended.
func (s *Server) Stop(signal os.Signal) error {
	if err := s.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(20 * time.Second):
		err := s.command.Process.Kill()
		<-s.ended
		return errors.Join(fmt.Errorf("%s did not end within 20 s of %v and was killed", s.command.Path, signal), err)
	}
}
