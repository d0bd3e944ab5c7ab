public import KubeAPI

/// A `fieldSelector` parameter: `metadata.name=web,status.phase!=Running`. All terms must hold; none selects everything.
public struct FieldSelector: Hashable, Sendable {
    public struct Term: Hashable, Sendable {
        public var field: String
        public var isEqual: Bool
        public var value: String
    }

    public var terms: [Term]

    public init(_ terms: [Term] = []) { self.terms = terms }
}

/// Why a text is no field selector of a kind, in kube-apiserver's words: the answer is 400.
public struct FieldSelectorError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
}

extension FieldSelector {
    /// Reads `a=b`, `a==b` and `a!=b`, joined by commas; `\` takes a comma, an equals sign or a backslash into a value.
    public init(parsing text: String, kind: ServedKind) throws(FieldSelectorError) {
        terms = []
        let known = Self.fields(of: kind)
        for part in Self.parts(text) where !part.isEmpty {
            guard let term = Self.term(part) else {
                throw FieldSelectorError(
                    description: "invalid selector: '\(text)'; can't understand '\(part)'")
            }
            guard known.contains(term.field) else {
                throw FieldSelectorError(description: Self.unknown(term.field, kind))
            }
            terms.append(term)
        }
    }

    private static func unknown(_ field: String, _ kind: ServedKind) -> String {
        kind.kind == "Pod" || kind.kind == "Event" || kind.kind == "Namespace" || kind.kind == "Node" || kind.kind == "Service"
            || kind.kind == "Secret"
            ? "field label not supported: \(field)"
            : "field label \"\(field)\" not supported for \(kind.groupVersionKind.kind)"
    }

    /// The fields a kind can be selected by; every kind has its name and namespace.
    public static func fields(of kind: ServedKind) -> Set<String> {
        let own: [String] =
            switch (kind.group, kind.kind) {
            case ("", "Pod"):
                [
                    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                    "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
                ]
            case ("", "Node"): ["spec.unschedulable"]
            case ("", "Namespace"): ["status.phase"]
            case ("", "Secret"): ["type"]
            case ("", "Service"): ["spec.clusterIP", "spec.type"]
            case ("", "Event"):
                [
                    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
                    "reportingComponent", "source", "type",
                ]
            case ("events.k8s.io", "Event"):
                [
                    "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
                    "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type",
                ]
            case ("apps", "ReplicaSet"): ["status.replicas"]
            default: []
            }
        return Set(own + ["metadata.name"] + ["metadata.namespace"])
    }

    public func matches(_ object: JSONValue) -> Bool {
        terms.allSatisfy { term in Self.values(term.field, object).contains(term.value) == term.isEqual }
    }

    private static func values(_ field: String, _ object: JSONValue) -> [String] {
        switch field {
        case "status.podIPs":
            let addresses = object.at("status", "podIPs")?.objects.map { $0.string("ip") } ?? []
            return addresses.isEmpty ? [""] : addresses
        case "source":
            return [object.at("source", "component")?.string ?? object["reportingComponent"]?.string ?? ""]
        default:
            let path = field.split(separator: ".").map(String.init)
            switch object.at(path[...]) {
            case .string(let text): return [text]
            case .bool(let flag): return [flag ? "true" : "false"]
            case .number(let number): return [number.description]
            default: return [field == "spec.unschedulable" || field == "spec.hostNetwork" ? "false" : ""]
            }
        }
    }
}

extension FieldSelector {
    private static func parts(_ text: String) -> [String] {
        var parts = [""]
        var isEscaped = false
        for character in text {
            if character == ",", !isEscaped {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return parts
    }

    private static func term(_ part: String) -> Term? {
        for (symbol, isEqual) in [("!=", false), ("==", true), ("=", true)] {
            guard let range = part.firstRange(of: symbol) else { continue }
            guard let value = unescaped(part[range.upperBound...]), range.lowerBound > part.startIndex else { return nil }
            return Term(field: String(part[..<range.lowerBound]), isEqual: isEqual, value: value)
        }
        return nil
    }

    private static func unescaped(_ text: Substring) -> String? {
        var result = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character != "=" else { return nil }
            guard character == "\\" else {
                result.append(character)
                continue
            }
            guard let next = rest.popFirst(), "\\,=".contains(next) else { return nil }
            result.append(next)
        }
        return result
    }
}

extension FieldSelector: CustomStringConvertible {
    public var description: String { terms.map { "\($0.field)\($0.isEqual ? "=" : "!=")\($0.value)" }.joined(separator: ",") }
}
