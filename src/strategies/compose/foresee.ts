import { sh } from '../../shell.ts'

/**
 * What the resolved configuration of the release before and that of the next one differ in: services, and which of
 * their keys. Both are kept without values of the environment, so that nothing secret can come of it.
 */
export const configFunctions = sh`
hc_config_diff() { # OLD NEW
  awk '
    function bare(text) { sub(/^ */, "", text); sub(/: *$/, "", text); gsub(/["\047]/, "", text); return text }
    /^[a-z]/ { top = $1; sub(/:.*/, "", top); name = ""; key = ""; next }
    /^  [^ -].*:/ { name = $0; sub(/: .*/, "", name); name = bare(name); key = ""; if (top == "services") has[FILENAME, name]; names[top, name] }
    top == "services" && /^    [a-z_]+:/ { key = $1; sub(/:.*/, "", key); keys[name, key] }
    name != "" { if (top == "services") text[FILENAME, name, key] = text[FILENAME, name, key] "\n" $0; else rest[FILENAME, top, name] = rest[FILENAME, top, name] "\n" $0 }
    END {
      old = ARGV[1]; new = ARGV[2]
      for (id in names) {
        split(id, part, SUBSEP); top = part[1]; name = part[2]
        if (top != "services") {
          if (top !~ /^(networks|volumes|configs|secrets)$/) continue
          one = top; sub(/s$/, "", one); was = rest[old, top, name]; is = rest[new, top, name]
          if (was == "" && is != "") print "+ " one " " name; else if (is == "" && was != "") print "- " one " " name; else if (was != is) print "~ " one " " name
          continue
        }
        if (!((old, name) in has)) { print "+ service " name; continue }
        if (!((new, name) in has)) { print "- service " name " (left as it is)"; continue }
        list = ""
        for (each in keys) { split(each, part, SUBSEP); if (part[1] == name && text[old, name, part[2]] != text[new, name, part[2]]) list = list (list == "" ? "" : ", ") part[2] }
        if (list != "") { print "~ service " name ": " list; print "down " name " is recreated" }
      }
    }' "$1" "$2" | sort
}
`

/** What a deploy would do to the containers, as far as it can be told without a pull. Comes after the preflight. */
export const foresee = sh`
if [ -s "$hc_new/config.yml" ]; then
  if [ -n "$prev" ] && [ -s "$prev/compose/config.yml" ]; then hc_config_diff "$prev/compose/config.yml" "$hc_new/config.yml" >&3
  else cut -d'|' -f1,2 "$hc_new/services" | sed 's/^/+ service /; s/|/: /' >&3; fi
fi
`

/** Of what runs under the name that it keeps, what that name means by now. `running` is SERVICE - IMAGE, in $work. */
const moved = (registry: string) => `(\n:\n${registry}\n) 3>&1 >&2 | sed 's/^/~ /' >&3\n`

/** Images of containers: other names, and the same names that mean something else. */
export const foreseeImages = (registry: string) =>
  sh`
if [ -s "$hc_new/services" ]; then
hc_name=$(hc_running_project)
hc_containers "$hc_name" "$hc_service {{.Image}} {{.Config.Image}}" | sort -u | while read -r service image ref; do
  hc_next=$(awk -F '|' -v service="$service" '$1 == service { print $2 }' "$hc_new/services")
  if [ "$hc_next" = "$ref" ]; then echo "$service - $image"
  elif [ -n "$hc_next" ]; then echo "~ image of $service: $ref → $hc_next" >&3; fi
done >"$work/compose/running"
`.concat(moved(registry), 'fi\n')

/** The same for the services of a stack, and the contents of its configs and secrets, which their names tell. */
export const foreseeStack = (registry: string) =>
  sh`
hc_contents() { tr '{,}' '\n\n\n' <"$1" | sed -n 's/^"name":"\(.*\)_\([0-9a-f]*\)"$/\1 \2/p'; }
if [ -n "$prev" ] && [ -s "$prev/compose/names.yml" ] && [ -s "$hc_new/names.yml" ]; then
  hc_contents "$prev/compose/names.yml" >"$work/compose/contents"
  hc_contents "$hc_new/names.yml" | while read -r name sum; do
    hc_was=$(awk -v name="$name" '$1 == name { print $2 }' "$work/compose/contents")
    [ -z "$hc_was" ] || [ "$hc_was" = "$sum" ] || echo "~ content of $name" >&3
  done
fi
if [ -s "$hc_new/services" ]; then
while IFS='|' read -r service ref _; do
  hc_is=$(hd_docker service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "\${hc_stack}_$service" 2>/dev/null </dev/null) || continue
  [ "\${hc_is%@*}" != "$ref" ] || echo "$service - \${hc_is##*@}"
done <"$hc_new/services" >"$work/compose/running"
`.concat(moved(registry), 'fi\n')
