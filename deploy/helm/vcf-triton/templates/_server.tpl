{{- /* SPDX-License-Identifier: Apache-2.0 */}}
{{- /* The Deployment of one track: a dict of root, track, name, image, models, replicas (none: the autoscaler's). */}}
{{- define "vcf.server" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
{{- $gpu := include "vcf.gpu" $root }}
{{- $repository := eq .models.from "url" | ternary .models.url "/models" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels: {{- include "vcf.labels" $root | nindent 4 }}
    vcf-triton/track: {{ .track }}
spec:
  {{- if ne (toString .replicas) "" }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {{- toYaml $values.rollout | nindent 6 }}
  selector:
    matchLabels: {{- include "vcf.selector" $root | nindent 6 }}
      vcf-triton/track: {{ .track }}
  template:
    metadata:
      labels: {{- include "vcf.labels" $root | nindent 8 }}
        app.kubernetes.io/component: server
        vcf-triton/track: {{ .track }}
      {{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # The drain, then Triton's own exit.
      terminationGracePeriodSeconds: {{ add $values.drain.limitSeconds 60 }}
      securityContext: {{- include "vcf.user" $root | nindent 8 }}
      {{- with $values.image.pullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "vcf.selector" $root | nindent 14 }}
      containers:
        - name: triton
          # Server, models, probe.py and drain.py; deploy/server.Dockerfile.
          image: {{ .image }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args:
            - python3
            - -m
            # Clears the shared memory of a predecessor that was killed, adds what the drain needs.
            - vcf_server.container
            {{- if $gpu }}
            - --on-stale-plan
            - {{ $values.onStalePlan }}
            {{- end }}
            - --
            - tritonserver
            - --model-repository={{ $repository }}
            {{- if not $gpu }}
            - --model-config-name={{ $values.form }}
            - --pinned-memory-pool-byte-size=0
            {{- if ne $values.form "onnxruntime" }}
            - --backend-directory=/opt/vcf/backends
            {{- end }}
            {{- end }}
            - --disable-auto-complete-config
            - --allow-sagemaker=false
            - --allow-vertex-ai=false
            # A request is a whole volume: not kept for reuse.
            - --grpc-infer-allocation-pool-size=0
            # Clients connect anew, and so look up the servers anew, every half minute; a study may take two.
            - --grpc-max-connection-age=30000
            - --grpc-max-connection-age-grace=120000
            - --exit-timeout-secs=30
            {{- if include "vcf.secured" $root }}
            # Without TLS and key: for the probes of this pod.
            - --http-address=127.0.0.1
            {{- end }}
            {{- if $values.tls.secretName }}
            - --grpc-use-ssl=1
            - --grpc-server-cert=/etc/vcf/tls/tls.crt
            - --grpc-server-key=/etc/vcf/tls/tls.key
            {{- if $values.tls.clientCertificates }}
            - --grpc-use-ssl-mutual=1
            - --grpc-root-cert=/etc/vcf/tls/ca.crt
            {{- end }}
            {{- end }}
            {{- if $values.apiKey.secretName }}
            - --grpc-restricted-protocol=inference,health:{{ $values.apiKey.name }}=$(VCF_API_KEY)
            {{- end }}
            {{- with $values.otlp.url }}
            - --trace-config=mode=opentelemetry
            - --trace-config=opentelemetry,url={{ . }}
            - --trace-config=opentelemetry,resource=service.name=vcf-triton
            - --trace-config=level=TIMESTAMPS
            - --trace-config=rate={{ $values.otlp.rate }}
            {{- end }}
            {{- with $values.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          env:
            # Who knows this pod's id may load, unload, trace or change the log.
            - name: VCF_ADMIN_KEY
              valueFrom:
                fieldRef: {fieldPath: metadata.uid}
            {{- if $values.apiKey.secretName }}
            - name: VCF_API_KEY
              valueFrom:
                secretKeyRef: {name: {{ $values.apiKey.secretName }}, key: {{ $values.apiKey.secretKey }}}
            {{- end }}
            # Python models run in parallel and divide their work themselves: one thread for each of NumPy's products.
            - {name: OMP_NUM_THREADS, value: "1"}
            # As vcf_client/memory.py: tensors lie where those of the last study did.
            - {name: MALLOC_ARENA_MAX, value: "1"}
            - {name: MALLOC_MMAP_MAX_, value: "0"}
            - {name: MALLOC_TRIM_THRESHOLD_, value: "1073741824"}
            - {name: PYTHONDONTWRITEBYTECODE, value: "1"}
            - {name: HOME, value: /tmp}
          {{- with .models.credentialsSecret }}
          envFrom:
            - secretRef: {name: {{ . }}}
          {{- end }}
          ports:
            {{- if not (include "vcf.secured" $root) }}
            - {name: http, containerPort: 8000}
            {{- end }}
            - {name: grpc, containerPort: 8001}
            - {name: metrics, containerPort: 8002}
          resources:
            requests: {{- toYaml $values.resources.requests | nindent 14 }}
            limits: {{- toYaml $values.resources.limits | nindent 14 }}
              {{- if $gpu }}
              {{ $values.gpu.resource }}: {{ $values.gpu.count | quote }}
              {{- end }}
          # Triton's own readiness stays true when a Python process has died: these repeat each model's warm-up.
          startupProbe:
            exec: {command: [python3, -I, -S, /opt/vcf/probe.py, --ensembles, --timeout-s, "20"]}
            periodSeconds: 5
            timeoutSeconds: 25
            failureThreshold: 60
          readinessProbe:
            exec: {command: [python3, -I, -S, /opt/vcf/probe.py, --ensembles, --timeout-s, "8"]}
            periodSeconds: 10
            timeoutSeconds: 12
            failureThreshold: 1
          livenessProbe:
            exec: {command: [python3, -I, -S, /opt/vcf/probe.py, --timeout-s, "20"]}
            periodSeconds: 30
            timeoutSeconds: 25
            failureThreshold: 3
          lifecycle:
            preStop:
              exec: {command: [python3, -I, -S, /opt/vcf/drain.py, --settle-s, "{{ $values.drain.settleSeconds }}", --limit-s, "{{ $values.drain.limitSeconds }}"]}
          securityContext: {{- include "vcf.restricted" $root | nindent 12 }}
          volumeMounts:
            - {name: shm, mountPath: /dev/shm}
            - {name: tmp, mountPath: /tmp}
            {{- if eq .models.from "claim" }}
            - name: models
              mountPath: /models
              readOnly: true
              {{- with .models.claim.subPath }}
              subPath: {{ . }}
              {{- end }}
            {{- end }}
            {{- if $values.tls.secretName }}
            - {name: tls, mountPath: /etc/vcf/tls, readOnly: true}
            {{- end }}
      volumes:
        - name: shm
          emptyDir: {medium: Memory, sizeLimit: {{ $values.sharedMemory }}}
        - name: tmp
          emptyDir: {sizeLimit: {{ eq .models.from "url" | ternary "5Gi" "1Gi" }}}
        {{- if eq .models.from "claim" }}
        - name: models
          persistentVolumeClaim: {claimName: {{ .models.claim.name }}, readOnly: true}
        {{- end }}
        {{- if $values.tls.secretName }}
        - name: tls
          secret: {secretName: {{ $values.tls.secretName }}, defaultMode: 0440}
        {{- end }}
{{- end }}
