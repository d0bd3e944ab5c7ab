import KubeAPI

@testable import Lab

/// A cluster in memory with all its controllers and kubelets that do what they are told, stepped by hand.
struct Bench {
    var cluster = MemoryCluster()
    var plane: ControlPlane
    var dice: Dice
    var now = Moment(sinceEpoch: .seconds(1_700_000_000))
    /// What was written, for those who look.
    var log: [Write] = []
    /// What people were told.
    var notices: [Notice] = []
    /// Called before each write of a controller.
    var watch: (MemoryCluster, Write) -> Void = { _, _ in }
    private var addresses = 1

    init(seed: UInt64 = 1, _ controllers: [any Controller] = Bench.controllers, nodes: Int = 3) {
        plane = ControlPlane(controllers)
        dice = Dice(seed: seed)
        for number in 0..<nodes { addNode("n\(number + 1)") }
    }

    static let controllers: [any Controller] = [
        DeploymentController(), ReplicaSetController(), StatefulSetController(), DaemonSetController(), EndpointSliceController(),
        EndpointsController(), EndpointsMirrorController(), Scheduler(), PodGarbageController(), TaintEvictionController(),
    ]
}

// MARK: - The user's hands

extension Bench {
    mutating func apply(_ tree: JSONValue) {
        guard let item = Item(tree) else { preconditionFailure("a test's object without a name") }
        if let present = cluster.objects[item.key] {
            var next = present
            next[field: "spec"] = tree["spec"]
            next[field: "metadata", "labels"] = tree[field: "metadata", "labels"]
            carryOut(.update(next))
        } else {
            carryOut(.create(tree))
        }
    }

    mutating func edit(_ kind: GroupVersionKind, _ name: String, _ change: (inout JSONValue) -> Void) {
        guard var tree = self[kind, name]?.tree else { return }
        change(&tree)
        carryOut(.update(tree))
    }

    mutating func editStatus(_ kind: GroupVersionKind, _ name: String, _ change: (inout JSONValue) -> Void) {
        guard var tree = self[kind, name]?.tree else { return }
        change(&tree)
        carryOut(.updateStatus(tree))
    }

    mutating func delete(_ kind: GroupVersionKind, _ name: String, grace: Duration? = nil) {
        guard let item = self[kind, name] else { return }
        carryOut(.delete(item.key, uid: item.uid, grace: grace))
    }

    mutating func addNode(_ name: String, labels: [String: String] = [:]) {
        var labels = labels
        labels["kubernetes.io/hostname"] = name
        carryOut(
            .create([
                "apiVersion": "v1", "kind": "Node", "metadata": ["name": .string(name), "labels": JSONValue(labels)],
                "spec": [:], "status": ["conditions": [["type": "Ready", "status": "True"]]],
            ]))
    }

    subscript(kind: GroupVersionKind, name: String) -> Item? {
        let namespace = kind == Kinds.node || kind == Kinds.namespace ? "" : "default"
        return cluster.objects[ObjectKey(kind, namespace: namespace, name: name)].flatMap(Item.init)
    }

    var pods: [Item] { cluster.all(Kinds.pod) }

    @discardableResult
    mutating func carryOut(_ write: Write) -> Bool {
        let result = try? cluster.carryOut(write, at: now)
        deliver()
        return result != nil
    }

    private mutating func deliver() {
        for event in cluster.takeEvents() {
            switch event {
            case .put(let tree): plane.learn(tree)
            case .gone(let key): plane.forget(key)
            }
        }
    }
}

// MARK: - Time passing

extension Bench {
    /// Carries out what the controllers want until they want nothing now. Returns how much was written.
    @discardableResult
    mutating func quiesce(limit: Int = 20_000) -> Int {
        var count = 0
        while case .work(let work) = plane.next(at: now, random: &dice) {
            var succeeded = true
            for write in work.writes where succeeded {
                watch(cluster, write)
                log.append(write)
                count += 1
                succeeded = (try? cluster.carryOut(write, at: now)) != nil
                deliver()
            }
            if succeeded { notices += work.notices }
            plane.finished(work, succeeded: succeeded, at: now, random: &dice)
            precondition(count < limit, "the controllers do not come to rest; last: \(log.suffix(6))")
        }
        return count
    }

    /// One kubelet takes one step on one pod. Returns false when there is none to take.
    mutating func kubeletStep() -> Bool {
        for pod in plane.world.all(Kinds.pod) where !pod.nodeName.isEmpty {
            if pod.isBeingDeleted {
                carryOut(.delete(pod.key, uid: pod.uid, grace: .zero))
                return true
            }
            if pod.phase == "Pending" {
                run(pod)
                return true
            }
        }
        return false
    }

    mutating func run(_ pod: Item, ready: Bool = true) {
        var tree = pod.tree
        if pod.podAddresses.isEmpty {
            let number = addresses
            addresses += 1
            let pair = ["192.0.2.\(number % 250)", "2001:db8::\(String(number, radix: 16))"]
            tree[field: "status", "podIPs"] = .array(pair.map { ["ip": .string($0)] })
            tree[field: "status", "podIP"] = .string(pair[0])
        }
        tree[field: "status", "phase"] = "Running"
        var conditions = ConditionList(tree["status"] ?? [:])
        conditions.set("Ready", ready ? "True" : "False", reason: "", message: "", at: now)
        tree[field: "status", "conditions"] = .array(conditions.entries)
        carryOut(.updateStatus(tree))
    }

    /// Until neither controllers nor kubelets have anything to do.
    mutating func settle(limit: Int = 5000) {
        quiesce()
        var steps = 0
        while kubeletStep() {
            quiesce()
            steps += 1
            precondition(steps < limit, "pods come and go without an end; last: \(log.suffix(6))")
        }
    }

    mutating func wait(_ time: Duration) {
        now = now + time
        quiesce()
    }

    /// Everything looked at once more: in a settled cluster nothing is written.
    mutating func writesWhenLookedAtAgain() -> [Write] {
        let before = log.count
        plane.lookAtEverything()
        quiesce()
        return Array(log[before...])
    }
}

// MARK: - Objects

enum Sample {
    static func workload(
        _ kind: String, _ name: String = "web", replicas: Int? = 3, image: String = "a",
        _ change: (inout JSONValue) -> Void = { _ in }
    ) -> JSONValue {
        var tree: JSONValue = [
            "apiVersion": "apps/v1", "kind": .string(kind), "metadata": ["name": .string(name), "namespace": "default"],
            "spec": [
                "selector": ["matchLabels": ["app": .string(name)]],
                "template": [
                    "metadata": ["labels": ["app": .string(name)]],
                    "spec": [
                        "containers": [
                            ["name": "c", "image": .string(image), "ports": [["name": "http", "containerPort": 8080]]]
                        ]
                    ],
                ],
            ],
        ]
        if let replicas { tree[field: "spec", "replicas"] = JSONValue(replicas) }
        if kind == "Deployment" { tree[field: "spec", "progressDeadlineSeconds"] = 600 }
        change(&tree)
        return tree
    }

    static func service(_ name: String = "web", app: String = "web", _ change: (inout JSONValue) -> Void = { _ in }) -> JSONValue
    {
        var tree: JSONValue = [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": .string(name), "namespace": "default"],
            "spec": [
                "selector": ["app": .string(app)], "clusterIP": "198.51.100.1", "ipFamilies": ["IPv4", "IPv6"],
                "ports": [["name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"]],
            ],
        ]
        change(&tree)
        return tree
    }

    static func pod(_ name: String, labels: [String: String] = [:], _ change: (inout JSONValue) -> Void = { _ in }) -> JSONValue {
        var tree: JSONValue = [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": ["name": .string(name), "namespace": "default", "labels": JSONValue(labels)],
            "spec": ["containers": [["name": "c", "image": "a"]]],
        ]
        change(&tree)
        return tree
    }
}
