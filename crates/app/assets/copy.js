(function(){
var c=navigator.clipboard,b=document.querySelector('[data-copy]');
if(!c||!b)return;
b.hidden=false;
b.addEventListener('click',function(){
c.writeText(b.getAttribute('data-copy')).then(function(){
document.getElementById('copied').textContent=b.getAttribute('data-done');
b.className='done';
});
});
})();
