import { sh } from '../shell.ts'

/**
 * The tasks of a Swarm's services as lines like those of containers. The engine says "completed" after it has rolled
 * an update back by itself; so what each task runs is compared with the digest that this release wants.
 */
export const stackRows = sh`
stack_rows() { # SERVICE, or * for all of the stack
  hd_docker service ls --filter "label=com.docker.stack.namespace=$stack" --format '{{.Name}}' | while IFS= read -r name; do
    service=\${name#"$stack"_}
    [ "$1" = '*' ] || [ "$1" = "$service" ] || continue
    [ ! -s "$services" ] || grep -q "^$service|" "$services" || continue
    wanted=$(awk -F '|' -v service="$service" '$1 == service { print $4 }' "$release/compose/images" 2>/dev/null)
    replicas=$(hd_docker service inspect -f '{{if .Spec.Mode.Replicated}}{{.Spec.Mode.Replicated.Replicas}}{{end}}' "$name" </dev/null)
    update=$(hd_docker service inspect -f '{{if .UpdateStatus}}{{.UpdateStatus.State}} {{.UpdateStatus.StartedAt.Unix}} {{.UpdateStatus.Message}}{{end}}' "$name" </dev/null)
    began=\${update#* }; began=\${began%% *}
    case $update in
      rollback* | paused*) if [ -n "$since" ] && [ "$began" -ge "$since" ] 2>/dev/null; then echo "dead|the engine took the update back: $(printf %s "\${update#* * }" | tr '|\n' '  ')|0||||$service"; continue; fi ;;
    esac
    tasks=$(hd_docker service ps --no-trunc --filter desired-state=running --format '{{.ID}}|{{.CurrentState}}|{{.Image}}|{{.Node}}|{{.Error}}' "$name" </dev/null)
    printf '%s\n' "$tasks" | while IFS='|' read -r id state image node error; do
      [ -n "$id" ] || continue
      word=$(printf '%s' "\${state%% *}" | tr 'A-Z' 'a-z')
      case $image in *"$wanted"*) ;; *) word='running another image' ;; esac
      echo "$word|$error|0|$id|||$service on $node"
    done
    count=$(printf '%s\n' "$tasks" | grep -c '|Running ')
    [ "$count" -ge "\${replicas:-1}" ] || echo "$count of \${replicas:-1} tasks run||0||||$service"
  done
}
`
