// Never comes to serve.
for (;;);
