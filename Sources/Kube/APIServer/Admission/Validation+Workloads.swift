import KubeAPI

extension Validation {
    static func workload(_ top: inout Checker, _ old: JSONValue?, _ kind: String) {
        if top.isMissing("spec") { top.report(.required(top.path("spec"))) }
        top.inside("spec") { spec in
            spec.atLeast("replicas", 0)
            spec.atLeast("minReadySeconds", 0)
            spec.atLeast("revisionHistoryLimit", 0)
            selection(&spec)
            template(&spec)
            switch kind {
            case "Deployment": deployment(&spec)
            case "StatefulSet": statefulSet(&spec)
            case "DaemonSet": daemonSet(&spec)
            default: break
            }
            guard let old = old?["spec"] else { return }
            if kind == "StatefulSet" { statefulSetChange(&spec, old) } else { spec.keep("selector", from: old) }
        }
    }

    /// A record of what was: only its number may change.
    static func controllerRevision(_ top: inout Checker, _ old: JSONValue?) {
        if top.isMissing("data") { top.report(.required(top.path("data"), "data is mandatory")) }
        top.atLeast("revision", 0)
        top.keep("data", from: old)
    }

    /// The selector must choose something, and choose the template's pods.
    private static func selection(_ spec: inout Checker) {
        guard !spec.isMissing("selector") else {
            spec.report(.required(spec.path("selector")))
            return
        }
        guard let selector = selector("selector", in: &spec) else { return }
        if selector.requirements.isEmpty {
            let value = spec.object["selector"] ?? [:]
            spec.report(.invalid(spec.path("selector"), value, "empty selector is invalid for this kind"))
            return
        }
        let labels = spec.object["template"]?.at("metadata", "labels")?.strings ?? [:]
        guard !selector.matches(labels) else { return }
        let shown = spec.object["template"]?.at("metadata", "labels") ?? [:]
        spec.report(
            .invalid(
                spec.path("template").child("metadata").child("labels"), shown,
                "`selector` does not match template `labels`"))
    }

    private static func template(_ spec: inout Checker) {
        if spec.isMissing("template") { spec.report(.required(spec.path("template"))) }
        spec.inside("template") { template in
            template.inside("metadata") { labels("labels", in: &$0) }
            if template.isMissing("spec") { template.report(.required(template.path("spec"))) }
            template.inside("spec") { pod in
                self.pod(&pod)
                let policy = pod.string("restartPolicy")
                if ["OnFailure", "Never"].contains(policy) {
                    pod.report(.notSupported(pod.path("restartPolicy"), .string(policy), ["Always"]))
                }
                if !pod.isMissing("activeDeadlineSeconds") {
                    let detail = "activeDeadlineSeconds in ReplicaSet is not Supported"
                    pod.report(.forbidden(pod.path("activeDeadlineSeconds"), detail))
                }
            }
        }
    }

    private static func deployment(_ spec: inout Checker) {
        spec.inside("strategy") { strategy in
            strategy.word("type", ["Recreate", "RollingUpdate"])
            if strategy.string("type") == "Recreate", !strategy.isMissing("rollingUpdate") {
                let detail = "may not be specified when strategy `type` is 'Recreate'"
                strategy.report(.forbidden(strategy.path("rollingUpdate"), detail))
            }
            strategy.inside("rollingUpdate") { rollingUpdate(&$0) }
        }
        if let seconds = spec.integer("progressDeadlineSeconds"), seconds <= spec.integer("minReadySeconds") ?? 0 {
            let value = JSONValue.number(JSONNumber(seconds))
            spec.report(.invalid(spec.path("progressDeadlineSeconds"), value, "must be greater than minReadySeconds"))
        }
    }

    private static func statefulSet(_ spec: inout Checker) {
        spec.word("podManagementPolicy", ["OrderedReady", "Parallel"])
        spec.inside("updateStrategy") { strategy in
            strategy.word("type", ["OnDelete", "RollingUpdate"])
            strategy.inside("rollingUpdate") { $0.atLeast("partition", 0) }
        }
        spec.name("serviceName", .dnsSubdomain)
        spec.inside("ordinals") { $0.atLeast("start", 0) }
    }

    private static func daemonSet(_ spec: inout Checker) {
        spec.inside("updateStrategy") { strategy in
            strategy.word("type", ["OnDelete", "RollingUpdate"])
            strategy.inside("rollingUpdate") { rollingUpdate(&$0) }
        }
    }

    private static func rollingUpdate(_ update: inout Checker) {
        var isZero: [String: Bool] = [:]
        for field in ["maxUnavailable", "maxSurge"] {
            switch update.object[field] {
            case .number(let number):
                update.atLeast(field, 0)
                isZero[field] = number.integer == 0
            case .string(let text):
                guard text.utf8.last == UInt8(ascii: "%"), let percent = Int(text.dropLast()), percent >= 0,
                    text.utf8.first != UInt8(ascii: "+")
                else {
                    let detail = "a valid percent string must be a numeric string followed by an ending '%' "
                    let example = "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
                    update.report(.invalid(update.path(field), .string(text), detail + example))
                    continue
                }
                isZero[field] = percent == 0
                if percent > 100, field == "maxUnavailable" {
                    update.report(.invalid(update.path(field), .string(text), "must not be greater than 100%"))
                }
            default: isZero[field] = true
            }
        }
        if isZero["maxUnavailable"] == true, isZero["maxSurge"] == true {
            let value = update.object["maxUnavailable"] ?? .null
            update.report(.invalid(update.path("maxUnavailable"), value, "may not be 0 when `maxSurge` is 0"))
        }
    }

    private static func statefulSetChange(_ spec: inout Checker, _ old: JSONValue) {
        guard var allowed = old.object else { return }
        for field in [
            "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
        ] { allowed[field] = spec.object[field] }
        guard allowed != spec.object else { return }
        spec.report(
            .forbidden(
                spec.path,
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
                    + "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"))
    }
}
