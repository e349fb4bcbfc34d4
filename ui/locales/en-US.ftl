# American English: the messages that are spelled differently in en.ftl, which has all the others.

headline-not-enrolled-next = Your organization does not know this device yet. Ask IT{ $reach } to enroll it. Until then, use another device when you need your security key.
remedy-clock = Nothing for you to do. IT: set this device's clock, and keep it synchronized.
check-edr-protecting-remedy-unlicensed = Renew the license of the endpoint protection.
check-key-hardware-remedy = Use a device with a trusted TPM, and enroll it again.
check-agent-version-why = An old agent may miss checks that the organization needs.
check-security-key-model-remedy = Use a security key of a model that your organization accepts.
reason-unlicensed = without a valid license
value-unlicensed = without a valid license
not-mine-about = Declines and warns your organization
report-next = Do this if you did not start it. The request is declined and your organization is warned. Do not touch your security key.
end-not-mine-next = Your organization was notified that you did not ask for this. No further action needed. If you suspect misuse of your name, contact IT{ $reach }.
end-cancelled = The application canceled the request
end-not-genuine-next = Nothing was confirmed. The request may not come from your organization. Do not repeat it, and call IT{ $reach } now.
trouble-model = Your organization does not accept this model of security key. Use another one, or ask IT{ $reach } which ones work.
register-name-about = A name by which you recognize it, for example: blue key.
about-what = Vitalsign checks the health of this device, proves it to your organization, and asks you to touch your security key when an application must be sure that it is you.
about-licence = License
organisation-label = organization
