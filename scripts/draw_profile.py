"""Draws how the time of a forwarded packet is spent, from a profile of a server under load.

restage bench media 1:1:200 --runs 1 &
perf record -F 4000 -g -e cpu-clock -p <the server it started> -o perf.data -- sleep 8
python3 scripts/draw_profile.py perf.data --us <its µs/pkt> --out docs/images/forwarded-packet.svg
"""

import argparse
import collections
import html
import pathlib
import re
import subprocess

# A sample belongs to the first group with a matching function anywhere in its stack.
GROUPS = [
    ("wake", "Wake the receiver", r"sock_def_readable|ep_poll_callback|try_to_wake_up"),
    ("segment", "Take the GSO train apart", r"skb_mac_gso_segment|__skb_gso_segment"),
    (
        "deliver",
        "Deliver into the receiver's socket",
        r"net_rx_action|process_backlog|__netif_receive_skb",
    ),
    ("copy", "Copy the train into the kernel", r"ip_make_skb|__ip_append_data"),
    ("route", "Route and queue the train", r"ip_route_output|udp_send_skb|ip_send_skb"),
    ("send", "Enter and leave the send call", r"sendmsg"),
    (
        "receive",
        "Receive (publisher, feedback)",
        r"recvmsg|recvmmsg|restage_media::receive|srtcp|aes_gcm_decrypt|open_gather|udp::Socket::receive",
    ),
    ("wait", "Wait for the next event", r"epoll_wait|schedule"),
]
# The rest is user space, grouped by the function that was running.
SELF = [
    (
        "seal",
        "Seal and copy the payload",
        r"aws_lc|aead_|gcm|memmove|memcpy|protect_rtp|skip_iv",
    ),
    ("forward", "Select, renumber, write the header", r"restage_media|alloc|free"),
]
REST = ("rest", "Everything else", "")

COLOURS = {
    "seal": "#2f6f9f",
    "forward": "#5fa8d3",
    "send": "#b5651d",
    "copy": "#d08c3f",
    "route": "#e3b36f",
    "segment": "#8c6bb1",
    "deliver": "#6a994e",
    "wake": "#a7c957",
    "receive": "#9aa5b1",
    "wait": "#c8d0d8",
    "rest": "#e4e8ec",
}


def samples(profile):
    """The stacks of all samples, innermost function first."""
    command = ["perf", "script", "-i", str(profile), "-F", "ip,sym"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        frames = [line.split(None, 1)[1] for line in block.strip().splitlines() if len(line.split(None, 1)) == 2]
        if frames:
            yield frames


def group_of(frames):
    whole = "\n".join(frames)
    for name, _, pattern in GROUPS:
        if re.search(pattern, whole):
            return name
    for name, _, pattern in SELF:
        if re.search(pattern, frames[0]):
            return name
    return REST[0]


def draw(shares, us):
    """One bar per group, longest first, with its microseconds."""
    titles = {name: title for name, title, _ in [*GROUPS, *SELF, REST]}
    rows = sorted(shares.items(), key=lambda item: -item[1])
    left, width, height, step = 250, 420, 20, 28
    longest = rows[0][1]
    bottom = 46 + step * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {bottom + 14}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="780" height="{bottom + 14}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold">Where {us:.2f} µs of a forwarded packet go</text>',
    ]
    for place, (name, share) in enumerate(rows):
        y = 42 + step * place
        length = max(width * share / longest, 1)
        lines += [
            f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{html.escape(titles[name])}</text>',
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{height}" fill="{COLOURS[name]}"/>',
            f'<text x="{left + length + 8:.1f}" y="{y + 15}">{share * us:.2f} µs · {share:.0%}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", type=pathlib.Path, help="what perf record wrote")
    parser.add_argument(
        "--us",
        type=float,
        required=True,
        help="measured microseconds per forwarded packet",
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the drawing")
    arguments = parser.parse_args()
    counts = collections.Counter(group_of(frames) for frames in samples(arguments.profile))
    total = sum(counts.values())
    shares = {name: count / total for name, count in counts.items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(draw(shares, arguments.us))
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share * arguments.us:6.2f} µs  {share:6.1%}  {name}")


if __name__ == "__main__":
    main()
