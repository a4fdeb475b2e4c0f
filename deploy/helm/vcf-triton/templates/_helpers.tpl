{{- /* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "vcf.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* What pods of the server have in common; the track tells the two releases of models apart. */}}
{{- define "vcf.selector" -}}
app.kubernetes.io/name: vcf-triton
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}

{{- define "vcf.labels" -}}
app.kubernetes.io/name: vcf-triton
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "vcf.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "vcf.user" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Whether clients come over TLS or with a key; HTTP, which has neither here, then listens for probes alone. */}}
{{- define "vcf.secured" -}}
{{- if or .Values.tls.secretName .Values.apiKey.secretName }}true{{ end }}
{{- end }}

{{- define "vcf.gpu" -}}
{{- if eq .Values.form "gpu" }}true{{ end }}
{{- end }}
