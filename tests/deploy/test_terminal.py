"""What the command line prints on a terminal: as wide as that, in its colors, unless the environment says otherwise."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import unittest

from template import ROOT

COMMAND = ROOT / "target/debug/lambda-scale"
EXPLAIN = [
    "explain", "--state", "tests/captures/1.11.0/30-big-60-agents/state.json", "--now", "2026-11-21T18:00:00Z",
    "--config", "examples/lambda-scale.toml", "--group", "examples/group.json",
]
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(arguments, columns, **environment):
    """The output of the command on a terminal of that many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
        env={"TERM": "xterm-256color", "PATH": os.environ["PATH"]} | environment,
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    return process.wait(), b"".join(parts).decode().replace("\r\n", "\n")


class TerminalTest(unittest.TestCase):
    def test_lines_are_as_wide_as_the_terminal(self):
        widths = {}
        for columns in (80, 120):
            code, text = on_terminal(EXPLAIN, columns)
            self.assertEqual(code, 0, text)
            lines = ESCAPE.sub("", text).splitlines()
            widths[columns] = max(map(len, lines))
            self.assertLessEqual(widths[columns], columns, text)
        self.assertGreater(widths[120], 80)

    def test_help_is_as_wide_as_the_terminal(self):
        for command in ([], ["explain"], ["doctor"], ["simulate"]):
            code, text = on_terminal([*command, "--help"], 80)
            self.assertEqual(code, 0, text)
            self.assertLessEqual(max(map(len, ESCAPE.sub("", text).splitlines())), 80, text)

    def test_the_decision_stands_first_and_in_color(self):
        _, text = on_terminal(EXPLAIN, 120)
        title, decision, *_ = text.splitlines()
        self.assertIn("pool workers", title)
        # Red, in the palette of the terminal: it acts.
        self.assertRegex(decision, r"decision.*\x1b\[31mscale_down")

    def test_what_is_colored_can_be_read_on_white_and_on_black(self):
        texts = [on_terminal(arguments, 120)[1] for arguments in (
            EXPLAIN, [*EXPLAIN, "--remove", "ip-10-0-2-13.ec2.internal"], ["doctor", "--config", "examples/lambda-scale.toml"],
            ["check", "examples/lambda-scale.toml"], ["explain", "--help"],
        )]
        codes = {code for text in texts for found in ESCAPE.findall(text) for code in found[2:-1].split(";")}
        # Bold, underlined, red, green, or black on yellow. Not dim, and no yellow, white, bright, or fixed color.
        self.assertLessEqual(codes, {"", "0", "1", "4", "30", "31", "32", "43"})
        self.assertLessEqual({"1", "31", "43"}, codes)
        for text in texts:
            self.assertNotRegex(text, r"\x1b\[30m(?!\x1b\[43m)")
            # One word is colored, and the sentence is not.
            for word in re.findall(r"\x1b\[3[0-7]m(?:\x1b\[43m)?([^\x1b]*)\x1b", text):
                self.assertLessEqual(len(word.split()), 6, word)

    def test_colors_end_where_the_environment_says_so(self):
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CLICOLOR": "0"}):
            _, text = on_terminal(EXPLAIN, 120, **environment)
            self.assertNotIn("\x1b", text, environment)
        piped = subprocess.run([COMMAND, *EXPLAIN], cwd=ROOT, check=True, capture_output=True, text=True, env={"TERM": "xterm"})
        self.assertNotIn("\x1b", piped.stdout)
        forced = subprocess.run(
            [COMMAND, *EXPLAIN], cwd=ROOT, check=True, capture_output=True, text=True, env={"TERM": "xterm", "CLICOLOR_FORCE": "1"},
        )
        self.assertIn("\x1b[", forced.stdout)

    def test_a_closed_pipe_is_no_error(self):
        for arguments in (EXPLAIN, [*EXPLAIN, "--output", "json"], ["completions", "bash"], ["check", "examples/lambda-scale.toml"]):
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run([COMMAND, *arguments], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, env={})
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)


if __name__ == "__main__":
    unittest.main()
