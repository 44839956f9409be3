import { sh } from '../shell.ts'

/**
 * Shell: ends a shell with all it started. OpenSSH gives each command a group of its own, whose leader may be sudo;
 * Dropbear has all of a connection in one, in which this runs as well, so that there the children are looked up.
 */
export const endScript = sh`
# Into $up, $group and $began, which tells a process from a later one with its number.
hd_stat() { # PID
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- \${line##*) }
  up=$2; group=$3; began=\${20}
}
hd_below() { # Into $tree: the process $1, and all it started.
  tree=" $1 "; more=true
  while [ -n "$more" ]; do
    more=
    for stat in /proc/[0-9]*; do
      pid=\${stat#/proc/}
      case $tree in *" $pid "*) continue ;; esac
      hd_stat "$pid" || continue
      case $tree in *" $up "*) tree="$tree$pid "; more=true ;; esac
    done
  done
}
hd_signal() { # SIGNAL
  if [ -z "$tree" ]; then kill -s "$1" -- "-$target" 2>/dev/null || kill -s "$1" "-$target" 2>/dev/null; return; fi
  sent=1
  for pid in $tree; do if kill -s "$1" "$pid" 2>/dev/null; then sent=0; fi; done
  return "$sent"
}
hd_end_shell() { # PID BEGAN
  hd_stat "$1" && [ "$began" = "$2" ] || return 0
  target=$group; tree=
  hd_stat self && [ "$group" != "$target" ] || hd_below "$1"
  hd_signal TERM || return 0
  for _ in 1 2 3 4 5 6 7 8 9 10; do hd_signal 0 || return 0; sleep 0.2; done
  hd_signal KILL || :
}
`
