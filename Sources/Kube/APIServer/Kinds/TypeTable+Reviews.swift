/// The newer form of events, and questions about users and what they may do.
extension TypeTable {
    static let reviewTypes = #"""
        package io.k8s.api.events.v1
        Event/events
          action string; deprecatedCount int32; deprecatedFirstTimestamp time; deprecatedLastTimestamp time;
          deprecatedSource EventSource; eventTime! microTime; metadata ObjectMeta; note string; reason string;
          regarding ObjectReference; related ObjectReference; reportingController string; reportingInstance string;
          series EventSeries; type string
        package io.k8s.api.authorization.v1
        SelfSubjectAccessReview
          metadata ObjectMeta; spec! SelfSubjectAccessReviewSpec; status SubjectAccessReviewStatus
        SelfSubjectAccessReviewSpec
          nonResourceAttributes NonResourceAttributes; resourceAttributes ResourceAttributes
        SubjectAccessReview
          metadata ObjectMeta; spec! SubjectAccessReviewSpec; status SubjectAccessReviewStatus
        LocalSubjectAccessReview
          metadata ObjectMeta; spec! SubjectAccessReviewSpec; status SubjectAccessReviewStatus
        SubjectAccessReviewSpec
          extra {any}; groups [string] atomic; nonResourceAttributes NonResourceAttributes;
          resourceAttributes ResourceAttributes; uid string; user string
        SubjectAccessReviewStatus
          allowed! bool; denied bool; evaluationError string; reason string
        ResourceAttributes
          fieldSelector any; group string; labelSelector any; name string; namespace string; resource string;
          subresource string; verb string; version string
        NonResourceAttributes
          path string; verb string
        SelfSubjectRulesReview
          metadata ObjectMeta; spec! SelfSubjectRulesReviewSpec; status SubjectRulesReviewStatus
        SelfSubjectRulesReviewSpec
          namespace string
        SubjectRulesReviewStatus
          evaluationError string; incomplete! bool; nonResourceRules! [any] atomic; resourceRules! [any] atomic
        package io.k8s.api.authentication.v1
        SelfSubjectReview
          metadata ObjectMeta; status SelfSubjectReviewStatus
        SelfSubjectReviewStatus
          userInfo UserInfo
        UserInfo
          extra {any}; groups [string] atomic; uid string; username string
        TokenReview
          metadata ObjectMeta; spec! TokenReviewSpec; status TokenReviewStatus
        TokenReviewSpec
          audiences [string] atomic; token string
        TokenReviewStatus
          audiences [string] atomic; authenticated bool; error string; user UserInfo
        """#
}
